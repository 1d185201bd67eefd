/**
 * Every way a call can end, each brought about on a whole node. The workflow tests look at what happened; the replay
 * corpus is recorded from the same runs.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { CallInput } from '../../src/core/call/types.ts';
import { TASK_QUEUE } from '../../src/core/names.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { newCallId } from '../../src/ledger/call-id.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

export const KEYS = {
  app: `hk_${'a'.repeat(43)}`,
  narrow: `hk_${'n'.repeat(43)}`,
  poor: `hk_${'p'.repeat(43)}`,
  tight: `hk_${'t'.repeat(43)}`,
};

const CONFIG = `
providers:${SIM_PROVIDER}
  other: { kind: anthropic, baseUrl: SIM, apiKey: env:OTHER_KEY, allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  foreground: { targets: [{ provider: other, model: sim-small }] }
  busy: { targets: [{ provider: sim, model: sim-busy }] }
  patient: { targets: [{ provider: sim, model: sim-small+status=429+times=1+retryAfter=60000 }, { provider: sim, model: sim-small }] }
  failover: { targets: [{ provider: sim, model: sim-down }, { provider: other, model: sim-small }], retries: { maxAttempts: 1 } }
  failing: { targets: [{ provider: sim, model: sim-down }, { provider: other, model: sim-down }], retries: { maxAttempts: 2, initialBackoffMs: 10 } }
  rejected: { targets: [{ provider: sim, model: sim-small+status=400 }] }
  late: { targets: [{ provider: sim, model: sim-small+delay=30000 }], timeouts: { totalMs: 3000 } }
  hanging: { targets: [{ provider: sim, model: sim-small+delay=30000 }, { provider: other, model: sim-small }], timeouts: { firstTokenMs: 3000 }, retries: { maxAttempts: 1 } }
  strict: { targets: [{ provider: sim, model: sim-small+delay=30000 }], timeouts: { firstTokenMs: 300 }, onUnknown: fail }
  slow: { targets: [{ provider: sim, model: sim-small+delay=30000 }] }
  cut: { targets: [{ provider: sim, model: sim-paced+cut=5 }] }
  recut: { targets: [{ provider: sim, model: sim-paced+cut=5+times=1 }], retries: { initialBackoffMs: 10 } }
  waiting: { targets: [{ provider: sim, model: sim-small+status=429+times=1+retryAfter=20000 }] }
  unsure: { targets: [{ provider: sim, model: sim-small+delay=30000 }], timeouts: { firstTokenMs: 300 }, retries: { maxAttempts: 2, initialBackoffMs: 10 } }
  tight: { targets: [{ provider: sim, model: sim-small+delay=30000 }, { provider: sim, model: sim-small }], timeouts: { firstTokenMs: 300 }, retries: { maxAttempts: 1 } }
  limited: { targets: [{ provider: sim, model: sim-small+status=429+retryAfter=60000 }, { provider: sim, model: sim-small+status=429+retryAfter=70000 }] }
  unpaid: { targets: [{ provider: sim, model: sim-small+status=402 }] }
  locked: { targets: [{ provider: sim, model: sim-small+status=401 }] }
  long: { targets: [{ provider: sim, model: sim-small+delay=2500 }] }
  'long-failing': { targets: [{ provider: sim, model: sim-small+delay=300+fails=1 }], retries: { maxAttempts: 1 } }
  'long-hanging': { targets: [{ provider: sim, model: sim-small+delay=60000 }] }
  'long-late': { targets: [{ provider: sim, model: sim-small+delay=60000 }], background: { totalMs: 4000 } }
tenants:
  poor: { budgets: [{ limitUsd: "0.000000001", period: day, hard: true }] }
  tight: { budgets: [{ limitUsd: "0.001", period: day, hard: true }] }
keys:
  - { name: app, hash: "${hashVirtualKey(KEYS.app)}", roles: [caller, admin] }
  - { name: narrow, hash: "${hashVirtualKey(KEYS.narrow)}", models: [busy] }
  - { name: poor, tenant: poor, hash: "${hashVirtualKey(KEYS.poor)}" }
  - { name: tight, tenant: tight, hash: "${hashVirtualKey(KEYS.tight)}" }
`;

export const startScenarioNode = (): Promise<TestNode> =>
  startTestNode({ config: CONFIG, env: { OTHER_KEY: 'sk-ant-other-key' } });

export interface Scenario {
  /** Also the file name in the replay corpus. */
  name: string;
  /** Brings the call about and resolves with its id once it has ended. */
  run(test: TestNode): Promise<string>;
}

const REQUEST = { messages: [{ role: 'user', content: 'a scenario' }], max_tokens: 50 };

async function throughDoor(
  test: TestNode,
  model: string,
  options: { key?: string; stream?: boolean; takesRollbacks?: boolean; background?: boolean } = {},
): Promise<string> {
  const response = await test.post(
    '/v1/chat/completions',
    { ...REQUEST, model, stream: options.stream ?? false },
    {
      authorization: `Bearer ${options.key ?? KEYS.app}`,
      ...(options.background && { 'x-holdfast-mode': 'background' }),
      ...(options.takesRollbacks && { 'x-holdfast-stream': 'rollback' }),
    },
  );
  await response.text();
  const callId = response.headers.get('x-holdfast-call-id');
  if (callId === null) throw new Error(`no call was started: ${response.status}`);
  return callId;
}

/** A call as a trusted Temporal caller starts it, with the request inline. */
export async function startInline(
  test: TestNode,
  model: string,
  options: { startDelay?: string; content?: string | number; tenant?: string; background?: boolean } = {},
): Promise<WorkflowHandle> {
  const callId = newCallId();
  const input: CallInput = {
    callId,
    kind: 'chat',
    model,
    principal: { tenant: options.tenant ?? 'default', key: null, models: null },
    requestRef: null,
    ...(options.background && { mode: 'background' }),
    inline: {
      wire: 'openai-chat',
      stream: false,
      body: { model, max_tokens: 50, messages: [{ role: 'user', content: options.content ?? 'inline' }] },
    },
  };
  return test.client.workflow.start('llmCall', {
    workflowId: callId,
    taskQueue: TASK_QUEUE,
    args: [input],
    ...(options.startDelay !== undefined && { startDelay: options.startDelay }),
  });
}

async function inline(test: TestNode, model: string, options: Parameters<typeof startInline>[2] = {}): Promise<string> {
  const handle = await startInline(test, model, options);
  await handle.result();
  return handle.workflowId;
}

async function cancelled(test: TestNode, handle: WorkflowHandle, when: () => Promise<void>): Promise<string> {
  await when();
  await handle.cancel();
  await handle.result();
  return handle.workflowId;
}

export const scenarios: readonly Scenario[] = [
  { name: 'succeeded', run: (test) => throughDoor(test, 'small') },
  { name: 'succeeded-streamed', run: (test) => throughDoor(test, 'small', { stream: true }) },
  { name: 'succeeded-inline', run: (test) => inline(test, 'small') },
  { name: 'retried-after-429', run: (test) => throughDoor(test, 'busy') },
  { name: 'retry-after-beyond-cap', run: (test) => throughDoor(test, 'patient') },
  { name: 'failed-over', run: (test) => throughDoor(test, 'failover') },
  { name: 'all-failed', run: (test) => throughDoor(test, 'failing') },
  { name: 'rejected', run: (test) => throughDoor(test, 'rejected') },
  { name: 'denied-by-policy', run: (test) => throughDoor(test, 'small', { key: KEYS.narrow }) },
  { name: 'denied-by-budget', run: (test) => throughDoor(test, 'small', { key: KEYS.poor }) },
  { name: 'denied-inline', run: (test) => inline(test, 'small', { tenant: 'poor' }) },
  { name: 'inline-unknown-model', run: (test) => inline(test, 'nothing') },
  { name: 'inline-blocked', run: (test) => inline(test, 'small', { content: 'use AKIAIOSFODNN7EXAMPLE' }) },
  { name: 'inline-incapable', run: (test) => inline(test, 'foreground', { background: true }) },
  { name: 'inline-malformed', run: (test) => inline(test, 'small', { content: 42 }) },
  { name: 'refused-between-attempts', run: (test) => throughDoor(test, 'tight', { key: KEYS.tight }) },
  { name: 'rate-limited-everywhere', run: (test) => throughDoor(test, 'limited') },
  { name: 'no-quota', run: (test) => throughDoor(test, 'unpaid') },
  { name: 'credential-refused', run: (test) => throughDoor(test, 'locked') },
  { name: 'unknown-then-retried', run: (test) => throughDoor(test, 'unsure') },
  { name: 'stream-restarted', run: (test) => throughDoor(test, 'recut', { stream: true, takesRollbacks: true }) },
  { name: 'deadline', run: (test) => throughDoor(test, 'late') },
  { name: 'provider-hangs', run: (test) => throughDoor(test, 'hanging') },
  { name: 'outcome-unknown', run: (test) => throughDoor(test, 'strict') },
  { name: 'stream-cut', run: (test) => throughDoor(test, 'cut', { stream: true }) },
  { name: 'background', run: (test) => throughDoor(test, 'long', { background: true }) },
  { name: 'background-failed', run: (test) => throughDoor(test, 'long-failing', { background: true }) },
  { name: 'background-late', run: (test) => throughDoor(test, 'long-late', { background: true }) },
  {
    name: 'background-cancelled',
    run: async (test) => {
      const handle = await startInline(test, 'long-hanging', { content: `long ${newCallId()}`, background: true });
      return cancelled(test, handle, () =>
        until('it waits for its provider', async () =>
          historyToJSON(await handle.fetchHistory()).includes('EVENT_TYPE_TIMER_STARTED'),
        ),
      );
    },
  },
  {
    name: 'cancelled-before',
    run: async (test) =>
      cancelled(test, await startInline(test, 'small', { startDelay: '1s' }), () => Promise.resolve()),
  },
  {
    name: 'cancelled-during',
    run: async (test) => {
      const content = `cancel during ${newCallId()}`;
      const handle = await startInline(test, 'slow', { content });
      return cancelled(test, handle, () =>
        until('the provider has it', () =>
          test.simulator.seen.some(({ body }) => JSON.stringify(body).includes(content)),
        ),
      );
    },
  },
  {
    name: 'cancelled-waiting',
    run: async (test) => {
      const handle = await startInline(test, 'waiting', { content: `cancel while waiting ${newCallId()}` });
      return cancelled(test, handle, () =>
        until('it waits for its next try', async () =>
          historyToJSON(await handle.fetchHistory()).includes('EVENT_TYPE_TIMER_STARTED'),
        ),
      );
    },
  },
];
