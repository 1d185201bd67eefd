/**
 * `npm run test:chaos -- --rounds N --seed S --shape embedded|fleet`: the campaign as a command. Exits with 1 when
 * a bar is missed, with 2 when it could not be run.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';
import { defaultStateDir } from './campaign-state.ts';
import { isPassed, rowsOf, table } from './report.ts';
import { writeCorrectness } from './write-correctness.ts';

const CALLS_A_ROUND = 24;
const MAX_ROUNDS = 9_000;

const OPTIONS = {
  rounds: { type: 'string', default: '10' },
  seed: { type: 'string', default: '1' },
  shape: { type: 'string', default: 'embedded' },
  target: { type: 'string', default: 'holdfast' },
  state: { type: 'string' },
  minutes: { type: 'string' },
  json: { type: 'string' },
  write: { type: 'boolean', default: false },
} as const;

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});

async function main(): Promise<number> {
  const values = readFlags();
  const { seed, shape, target } = values;
  if (shape !== 'embedded' && shape !== 'fleet') throw new Error('--shape is embedded or fleet.');
  if (target !== 'holdfast' && target !== 'plain-proxy') throw new Error('--target is holdfast or plain-proxy.');
  const rounds = wholeNumber('--rounds', values.rounds, MAX_ROUNDS);
  const minutes = values.minutes === undefined ? null : wholeNumber('--minutes', values.minutes, MAX_ROUNDS);
  const stateDir = resolve(values.state ?? defaultStateDir(seed, shape, target));
  const stopAt = minutes === null ? Infinity : Date.now() + minutes * 60_000;
  let isTold = false;
  process.once('SIGINT', () => {
    isTold = true;
    console.error('stopping after this round (again to stop at once)');
    process.once('SIGINT', () => process.exit(130));
  });
  console.log(`state: ${stateDir}`);
  const state = await runCampaign({
    rounds,
    seed,
    target,
    shape,
    stateDir,
    callsARound: CALLS_A_ROUND,
    mustStop: () => isTold || Date.now() > stopAt,
    onLine: (line) => console.log(line),
  });
  const rows = rowsOf(state.tally);
  const passed = isPassed(state.tally);
  console.log(`\n${table(rows)}\n\nreached round ${String(state.reached)} of ${String(rounds)}, seed ${seed}`);
  for (const fault of state.faults) console.log(fault);
  if (values.json !== undefined) {
    const report = { passed, rounds, ...state, rows };
    writeFileSync(resolve(values.json), `${JSON.stringify(report, null, 2)}\n`);
  }
  if (values.write) writeCorrectness(state, rows);
  return passed ? 0 : 1;
}

/** @throws Error of one line; nothing has been started then. */
function readFlags() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    for (const name of ['seed', 'state', 'json'] as const) {
      if (values[name] === '') throw new Error(`--${name} is empty.`);
    }
    return values;
  } catch (error) {
    // What the parser says beyond its first line are hints at other spellings.
    throw new Error(error instanceof Error ? error.message.split('\n')[0] : String(error), { cause: error });
  }
}

function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > most) {
    throw new Error(`${name} must be a whole number from 1 to ${String(most)}.`);
  }
  return number;
}
