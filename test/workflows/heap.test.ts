/** A cached workflow costs tens of kilobytes; one library in the sandbox would make it hundreds. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import { Worker, type NativeConnection } from '@temporalio/worker';
import type { CallSteps, ProviderActivities } from '../../src/activities/types.ts';
import type { CallInput } from '../../src/core/call/types.ts';
import { TASK_QUEUE } from '../../src/core/names.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { workflowBundle } from '../../src/workers/bundle.ts';
import { succeededResult } from '../support/succeeded-result.ts';
import { startTestServer, type TestServer } from '../support/temporal/dev-server.ts';
import { until } from '../support/test-node.ts';

const WORKFLOWS = 300;
const GROUP = 20;
const HEARTBEAT_EVERY_MS = 2_000;
const MAX_BYTES_EACH = 256 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

let server: TestServer;
let connection: NativeConnection;
beforeAll(async () => {
  server = await startTestServer();
  connection = await connectNative({ address: server.address });
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

/** Of one group: a second on an idle machine. */
const CACHED_WITHIN_MS = 60_000;
const RUNS_FOR_MS = 180_000;

it(
  `keeps a cached call under ${MAX_BYTES_EACH / 1024} KB of memory`,
  async () => {
    const waiting = new Set<string>();
    const released = Promise.withResolvers<void>();
    const activities: CallSteps & ProviderActivities = {
      admit: () =>
        Promise.resolve({
          allowed: true,
          plan: {
            decisionId: 'dec_1',
            requestRef: 'p_1',
            candidates: [{ provider: 'sim', model: 'm', worstCaseNanoUsd: null }],
            first: { credential: null },
            retries: { maxAttempts: 1, initialBackoffMs: 1, maxBackoffMs: 1, maxRetryAfterMs: 1 },
            timeouts: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 600_000 },
            onUnknown: 'recover',
          },
        }),
      selectCredential: () => Promise.resolve({ credential: null }),
      stopAttempt: () => Promise.resolve(),
      collectAnswer: () => Promise.reject(new TypeError('nothing is pending')),
      withdrawAttempt: () => Promise.reject(new TypeError('nothing is pending')),
      async executeProvider({ callId }) {
        waiting.add(callId);
        const context = Context.current();
        const heartbeat = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
        await released.promise.finally(() => clearInterval(heartbeat));
        return { status: 'answered', attempt: 1, result: succeededResult('p_2') };
      },
      settle: (settlement) =>
        Promise.resolve({
          ...settlement,
          provider: null,
          model: null,
          attempts: 1,
          costNanoUsd: '0',
          pricing: 'priced',
        }),
    };
    const worker = await Worker.create({
      connection,
      taskQueue: TASK_QUEUE,
      workflowBundle: await workflowBundle(),
      activities,
      maxCachedWorkflows: WORKFLOWS * 2,
      maxConcurrentActivityTaskExecutions: WORKFLOWS * 2,
      // Runs the sandbox in this thread, whose heap can be measured.
      debugMode: true,
    });
    const client = new Client({ connection });
    await worker.runUntil(async () => {
      const start = (index: number) => {
        const input: CallInput = {
          callId: `heap-${index}`,
          kind: 'chat',
          model: 'm',
          principal: { tenant: 'default', key: null, models: null },
          requestRef: 'p_1',
        };
        return client.workflow.start('llmCall', { workflowId: input.callId, taskQueue: TASK_QUEUE, args: [input] });
      };
      let started = 0;
      // All at once would wait in line for this one thread, on a crowded machine for longer than a workflow task may take.
      const startInGroups = async (count: number) => {
        for (const last = started + count; started < last;) {
          await Promise.all(Array.from({ length: GROUP }, () => start((started += 1))));
          await until('they are cached', () => waiting.size === started, CACHED_WITHIN_MS);
        }
      };
      try {
        await startInGroups(GROUP);
        const before = heapBytes();
        await startInGroups(WORKFLOWS);
        expect((heapBytes() - before) / WORKFLOWS).toBeLessThan(MAX_BYTES_EACH);
      } finally {
        // A worker that is told to stop waits for its activities.
        released.resolve();
      }
    });
  },
  RUNS_FOR_MS,
);
