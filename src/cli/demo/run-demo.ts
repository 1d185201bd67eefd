/** The demo: starts everything, runs its steps over real HTTP, shows what they did, and leaves nothing behind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { createClient, type HoldfastClient } from '../../client/index.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { startSimulator } from '../../simulator/simulator.ts';
import { answerStep, idempotencyStep, streamStep } from './answer-steps.ts';
import { crashStep } from './crash-step.ts';
import { demoConfig, makeDemoKeys } from './demo-config.ts';
import type { DemoContext, DemoStep } from './demo-step.ts';
import { budgetStep, failoverStep, retryStep } from './failure-steps.ts';
import { summaryLines } from './summary.ts';
import { createUpProcess } from './up-process.ts';

const STEPS: readonly DemoStep[] = [
  answerStep,
  streamStep,
  retryStep,
  failoverStep,
  budgetStep,
  idempotencyStep,
  crashStep,
];

export interface DemoOptions {
  env: NodeJS.ProcessEnv;
  /** Ends the demo; what it started is stopped all the same. */
  signal: AbortSignal;
  /** Keeps everything running after the last step until `signal`. */
  stay: boolean;
}

/** @throws the first promise that does not hold. */
export async function runDemo({ env, signal, stay }: DemoOptions): Promise<void> {
  // Last first: the gateway may still be answering from the simulator.
  const undo: (() => Promise<void> | void)[] = [];
  try {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-demo-'));
    undo.push(() => rmSync(home, { recursive: true, force: true }));
    const simulator = await startSimulator();
    undo.push(() => simulator.close());
    const keys = makeDemoKeys();
    const configPath = join(home, 'holdfast.yaml');
    writeFileSync(configPath, demoConfig(simulator.url, keys), { mode: 0o600 });
    const up = await createUpProcess({
      home,
      configPath,
      env,
      onLine: (line) => console.log(styleText('dim', `    | ${line}`)),
    });
    undo.push(() => up.stop());

    console.log(
      `${styleText('bold', 'Holdfast demo')}: real HTTP, a real Temporal server; the provider is a simulator in this process.`,
    );
    sayKeys(env);
    console.log('starting `holdfast up` ...');
    await interruptible(up.start(), signal);
    console.log(`gateway ${up.url}, Temporal UI ${up.uiUrl}`);

    const client = createClient({ url: up.url, key: keys.rich });
    const context: DemoContext = {
      client,
      poorClient: createClient({ url: up.url, key: keys.poor }),
      simulator,
      up,
      say: (line) => console.log(`    ${line}`),
      write: (text) => process.stdout.write(text),
      signal,
    };
    const calls = await runSteps(context);
    console.log();
    for (const line of summaryLines(await describeAll(client, calls), up.uiUrl)) console.log(line);
    console.log();
    if (stay) {
      console.log('everything stays up, and the links work, until Ctrl-C');
      await aborted(signal);
    } else {
      console.log(
        'every step did what it says. `npm run demo -- --stay` keeps it all up, so that the links can be opened.',
      );
    }
  } finally {
    console.log(styleText('dim', 'stopping ...'));
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  }
}

async function runSteps(context: DemoContext): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, { title, run }] of STEPS.entries()) {
    console.log(`\n${styleText('bold', `${String(index + 1)}. ${title}`)}`);
    ids.push(...(await run(context)));
    console.log(styleText('green', `    ok: ${title}`));
  }
  return ids;
}

function describeAll(client: HoldfastClient, ids: readonly string[]) {
  return Promise.all(ids.map((id) => client.getCall(id).describe()));
}

function sayKeys(env: NodeJS.ProcessEnv): void {
  const found = [...providerAdapters.values()]
    .map(({ usualKeyVariable }) => usualKeyVariable)
    .filter((name) => name && env[name]);
  if (found.length === 0) return;
  console.log(
    `found ${found.join(', ')}: \`npm start\` uses it; the demo stays on its simulator, so that nothing is spent.`,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Stops waiting, not the work: the caller ends that. */
async function interruptible<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    work,
    aborted(signal).then(() => {
      throw signal.reason;
    }),
  ]);
}
