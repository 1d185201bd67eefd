/** Time in a call: hours of waiting in a moment, on the time-skipping server, with the world played by plain activities. */
import { temporal } from '@temporalio/proto';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallSteps, ProviderActivities } from '../../src/activities/types.ts';
import type { AttemptOutcome, CallInput, CallResult, RoutePlan, Settlement } from '../../src/core/call/types.ts';
import { newCallId } from '../../src/ledger/call-id.ts';
import { searchAttributeKeys } from '../../src/temporal/search-attribute-keys.ts';
import { workflowBundle } from '../../src/workers/bundle.ts';
import { succeededResult } from '../support/succeeded-result.ts';
import { createTimeSkippingEnvironment, timeSkippingUnavailableReason } from '../support/temporal/test-server.ts';

const reason = timeSkippingUnavailableReason();
const HOUR_MS = 3_600_000;

const plan: RoutePlan = {
  decisionId: 'dec_1',
  requestRef: 'p_1',
  candidates: [{ provider: 'sim', model: 'm', worstCaseNanoUsd: null }],
  first: { credential: null },
  retries: { maxAttempts: 3, initialBackoffMs: 1_000, maxBackoffMs: 10_000, maxRetryAfterMs: 12 * HOUR_MS },
  timeouts: { connectMs: 1_000, firstTokenMs: 1_000, idleMs: 1_000, totalMs: 24 * HOUR_MS },
  onUnknown: 'recover',
};

/** This server can add attributes but not list them, which the registration of a real cluster needs. */
async function addSearchAttributes({ connection }: TestWorkflowEnvironment): Promise<void> {
  const { INDEXED_VALUE_TYPE_INT, INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;
  await connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      Object.values(searchAttributeKeys).map(({ name, type }) => [
        name,
        type === 'INT' ? INDEXED_VALUE_TYPE_INT : INDEXED_VALUE_TYPE_KEYWORD,
      ]),
    ),
  });
}

const limited = (retryAfterMs: number): AttemptOutcome => ({
  status: 'failed',
  attempt: 1,
  error: { code: 'provider_rate_limited', message: 'later', source: 'provider', retryAfterMs },
  retryable: true,
  failOver: true,
  delivered: false,
});

describe.skipIf(reason !== undefined)('with time skipped', () => {
  let environment: TestWorkflowEnvironment;
  beforeAll(async () => {
    environment = await createTimeSkippingEnvironment();
    await addSearchAttributes(environment);
  });
  afterAll(() => environment.teardown());

  /** Runs one call whose attempts end as the script says. */
  async function run(script: (order: number) => Promise<AttemptOutcome>, totalMs = plan.timeouts.totalMs) {
    const settlements: Settlement[] = [];
    const activities: CallSteps & ProviderActivities = {
      admit: () => Promise.resolve({ allowed: true, plan: { ...plan, timeouts: { ...plan.timeouts, totalMs } } }),
      selectCredential: () => Promise.resolve({ credential: null }),
      stopAttempt: () => Promise.resolve(),
      collectAnswer: () => Promise.reject(new TypeError('nothing is pending')),
      withdrawAttempt: () => Promise.reject(new TypeError('nothing is pending')),
      executeProvider: ({ order }) => script(order),
      settle(settlement) {
        settlements.push(settlement);
        return Promise.resolve<CallResult>({
          ...settlement,
          provider: null,
          model: null,
          attempts: 1,
          costNanoUsd: '0',
          pricing: 'priced',
        });
      },
    };
    const taskQueue = `queue-${newCallId()}`;
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowBundle: await workflowBundle(),
      activities,
    });
    const callId = newCallId();
    const input: CallInput = {
      callId,
      kind: 'chat',
      model: 'm',
      principal: { tenant: 'default', key: null, models: null },
      requestRef: 'p_1',
    };
    const handle = await environment.client.workflow.start<(call: CallInput) => Promise<CallResult>>('llmCall', {
      workflowId: callId,
      taskQueue,
      args: [input],
    });
    const result = await worker.runUntil(handle.result());
    const { startTime, closeTime } = await handle.describe();
    return { result, settlements, elapsedMs: Number(closeTime) - Number(startTime) };
  }

  it('a Retry-After of ten hours is waited out by a durable timer', async () => {
    const { result, elapsedMs } = await run((order) =>
      Promise.resolve(
        order === 1 ? limited(10 * HOUR_MS) : { status: 'answered', attempt: 2, result: succeededResult('p_2') },
      ),
    );
    expect(result).toMatchObject({ outcome: 'succeeded', answerRef: 'p_2' });
    expect(elapsedMs).toBeGreaterThanOrEqual(10 * HOUR_MS);
  });

  it('a wait that would outlast the call is not begun: its caller learns at once why', async () => {
    const { result, settlements, elapsedMs } = await run(() => Promise.resolve(limited(10 * HOUR_MS)), HOUR_MS);
    expect(result).toMatchObject({ outcome: 'failed', error: { code: 'provider_rate_limited' } });
    expect(settlements).toHaveLength(1);
    expect(elapsedMs).toBeLessThan(HOUR_MS);
  });

  it('a Retry-After beyond the cap is not waited for', async () => {
    const { result, elapsedMs } = await run(() => Promise.resolve(limited(13 * HOUR_MS)));
    expect(result).toMatchObject({
      outcome: 'failed',
      error: { code: 'provider_rate_limited', retryAfterMs: 13 * HOUR_MS },
    });
    expect(elapsedMs).toBeLessThan(HOUR_MS);
  });

  it('a paying step that cannot go on ends as unknown, which no SDK retries: bytes may have left', async () => {
    const { result } = await run(() =>
      Promise.reject(ApplicationFailure.nonRetryable('the ledger is gone', 'engine_unavailable')),
    );
    expect(result).toMatchObject({ outcome: 'failed', error: { code: 'outcome_unknown' } });
  });

  it('an unforeseen failure of the paying step ends the same way, without its text', async () => {
    const { result } = await run(() => Promise.reject(ApplicationFailure.nonRetryable('CANARY', 'Defect')));
    expect(result).toMatchObject({ outcome: 'failed', error: { code: 'outcome_unknown' } });
    expect(JSON.stringify(result)).not.toContain('CANARY');
  });
});
