/** `llmCall`: one governed LLM call. Binds the call's ports to activities, timers and cancellation scopes. */
import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { CallSteps, ProviderActivities } from '../activities/types.ts';
import { checkCallInput } from '../core/call/check-call-input.ts';
import type { CallPorts } from '../core/call/ports.ts';
import { REPORT_GRACE_MS } from '../core/call/limits.ts';
import { runCall } from '../core/call/run-call.ts';
import type { CallInput, CallResult } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { interruptible, interruptiblePaying, settled } from './interruption.ts';
import { endAttributes } from './search-attributes.ts';

/** An attempt whose worker is silent for this long is handed to another worker. */
const HEARTBEAT_TIMEOUT_MS = 10_000;
/** A guard against an activity that crashes its worker each time; provider failures are counted by the ledger. */
const MAX_CRASHES = 10;

const steps = proxyLocalActivities<CallSteps>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '100 milliseconds', maximumInterval: '5 seconds', maximumAttempts: 20 },
});
/** Settling is retried without limit: an unsettled call would keep its hold. */
const finalSteps = proxyLocalActivities<CallSteps>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '100 milliseconds', maximumInterval: '30 seconds' },
});

/** They ask a provider and then write the ledger, which may be busy for a while. */
const providerSteps = proxyLocalActivities<CallSteps>({
  startToCloseTimeout: REPORT_GRACE_MS,
  retry: { initialInterval: '500 milliseconds', maximumInterval: '30 seconds' },
});

/** @throws ApplicationFailure `invalid_request` for an input that is none: nothing of such a call is recorded anywhere. */
export async function llmCall(input: CallInput): Promise<CallResult> {
  refuseMalformed(input);
  const story: string[] = [];
  const result = await runCall(input, bindPorts(input, story));
  upsertSearchAttributes(endAttributes(result));
  return result;
}

function refuseMalformed(input: unknown): void {
  try {
    checkCallInput(input, workflowInfo().workflowId);
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    const { code, message } = error;
    throw ApplicationFailure.create({ type: code, message, details: [error.toRecord()], nonRetryable: true });
  }
}

function bindPorts(input: CallInput, story: string[]): CallPorts {
  const tell = (line: string) => {
    story.push(line);
    setCurrentDetails(story.map((step) => `- ${step}`).join('\n'));
  };
  return {
    admit: async (call) => {
      const admission = call.admission ?? (await interruptible(() => steps.admit(call)));
      tell(admission.allowed ? `admitted: ${admission.plan.decisionId}` : `denied: ${admission.error.message}`);
      return admission;
    },
    selectCredential: (callId, candidate) => interruptible(() => steps.selectCredential(callId, candidate)),
    execute: async (order, summary) => {
      const { executeProvider } = proxyActivities<ProviderActivities>({
        // Over all its tries: the attempt keeps the deadline itself, this is for the time in which no worker can.
        scheduleToCloseTimeout: Math.max(0, order.deadlineAt - Date.now()) + REPORT_GRACE_MS,
        heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
        cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry: {
          initialInterval: '200 milliseconds',
          maximumInterval: '10 seconds',
          maximumAttempts: MAX_CRASHES,
        },
        summary,
      });
      const outcome = await interruptiblePaying(() => stoppedAtOnce(order.callId, () => executeProvider(order)));
      tell(
        `${order.candidate.provider}/${order.candidate.model} attempt ${outcome.attempt}: ` +
          ('error' in outcome ? outcome.error.code : outcome.status),
      );
      return outcome;
    },
    collect: (order) => interruptible(() => providerSteps.collectAnswer(order)),
    withdraw: (order, reason) => settled(() => interruptible(() => providerSteps.withdrawAttempt(order, reason))),
    settle: (settlement) => settled(() => finalSteps.settle(settlement, input)),
    sleep: (ms, summary) => interruptible(() => sleep(ms, { summary })),
    now: () => Date.now(),
    random: () => Math.random(),
  };
}

/** Runs an attempt; a cancellation of its scope reaches it without waiting for the next heartbeat. */
async function stoppedAtOnce<T>(callId: string, attempt: () => Promise<T>): Promise<T> {
  const state = { isRunning: true };
  CancellationScope.current().cancelRequested.catch(async () => {
    if (state.isRunning) await CancellationScope.nonCancellable(() => steps.stopAttempt(callId));
  });
  try {
    return await attempt();
  } finally {
    state.isRunning = false;
  }
}
