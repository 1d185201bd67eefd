/**
 * The fleet's campaign in short. As with the embedded one, the seed gives the plan and not the order in which the machine
 * runs the processes: a failure here is worth a long run, `npm run test:chaos -- --rounds 50 --seed 101 --shape fleet`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { postgresUnavailableReason } from '../support/postgres/binaries.ts';
import { redisUnavailableReason } from '../support/redis/binary.ts';
import { BUILD_LIMIT_MS, productionServerUnavailableReason } from '../support/temporal/production-server.ts';
import { runCampaign } from './campaign.ts';
import { planRound } from './plan.ts';
import { rowsOf } from './report.ts';

/** Its first rounds: PostgreSQL and then Redis, a node. */
const SEED = '101';
const ROUNDS = 2;
const KILLS = 3;
const CALLS_A_ROUND = 16;
const WITHIN_MS = 240_000;

const unavailable = postgresUnavailableReason() ?? redisUnavailableReason() ?? productionServerUnavailableReason();

describe.skipIf(unavailable)('a fleet under the campaign', () => {
  it(
    'keeps every bar while PostgreSQL, Redis and a node are killed',
    async () => {
      const stateDir = await mkdtemp(join(tmpdir(), 'holdfast-fleet-chaos-'));
      onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
      const killed = [1, 2].flatMap((round) =>
        planRound(SEED, round, CALLS_A_ROUND, 'fleet').faults.map(({ kind }) => kind),
      );
      expect(killed).toEqual(['kill-postgres', 'kill-redis', 'kill-node']);

      const { faults, tally } = await runCampaign({
        rounds: ROUNDS,
        seed: SEED,
        target: 'holdfast',
        shape: 'fleet',
        stateDir,
        callsARound: CALLS_A_ROUND,
        mustStop: () => false,
        onLine: () => undefined,
      });

      expect(faults).toEqual([]);
      expect(rowsOf(tally).filter(({ isMet }) => !isMet)).toEqual([]);
      expect(tally.kills).toBe(KILLS);
      expect(tally.answered).toBeGreaterThan(ROUNDS * 5);
      expect(tally.recoveryMs.length).toBeGreaterThan(0);
      expect(tally.settled).toBeGreaterThan(0);
    },
    BUILD_LIMIT_MS + WITHIN_MS,
  );
});
