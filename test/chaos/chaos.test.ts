/**
 * The campaign in short, with its control. The plan comes from the seed; in which order the machine then runs the
 * processes does not, so a failure here is worth a long run: `npm run test:chaos -- --rounds 50 --seed 28`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCampaign, type CampaignOptions } from './campaign.ts';
import { isPassed, rowsOf } from './report.ts';

/** Its first rounds: the Temporal server, then the node. */
const SEED = '28';
const ROUNDS = 2;
const WITHIN_MS = 240_000;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-chaos-test-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function options(target: CampaignOptions['target'], lines: string[] = []): CampaignOptions {
  return {
    rounds: ROUNDS,
    seed: SEED,
    target,
    shape: 'embedded',
    stateDir: join(dir, target),
    callsARound: 16,
    mustStop: () => false,
    onLine: (line) => lines.push(line),
  };
}

it.concurrent(
  'keeps every bar while its server and its node are killed, and goes on where it was stopped',
  async () => {
    const lines: string[] = [];
    const first = await runCampaign({ ...options('holdfast', lines), mustStop: () => lines.length > 0 });
    expect(first.reached).toBe(1);
    const { reached, faults, tally } = await runCampaign(options('holdfast', lines));
    expect(lines).toContain('going on after round 1');
    expect(reached).toBe(ROUNDS);
    expect(faults).toEqual([]);
    expect(rowsOf(tally).filter(({ isMet }) => !isMet)).toEqual([]);
    // The bars hold of something: there was load, there were kills in the middle of it, and money moved.
    expect(tally.kills).toBe(ROUNDS);
    expect(tally.answered).toBeGreaterThan(ROUNDS * 5);
    expect(tally.recoveryMs.length).toBeGreaterThan(0);
    expect(tally.settled).toBeGreaterThan(0);
    expect(tally.endedOtherwise['budget_exceeded']).toBeGreaterThan(0);
  },
  WITHIN_MS,
);

it.concurrent(
  'fails against a plain proxy that sends again what it lost',
  async () => {
    const { tally } = await runCampaign(options('plain-proxy'));
    expect(isPassed(tally)).toBe(false);
    expect(tally.lost + tally.silentDuplicates).toBeGreaterThan(0);
  },
  WITHIN_MS,
);
