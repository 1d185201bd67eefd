/** One call from admission to settlement: the order of things, and nothing of how they are done. */
import { HoldfastError, type ErrorRecord } from '../errors.ts';
import { CallInterruptedError, type CallPorts } from './ports.ts';
import { runRoute } from './run-route.ts';
import type { CallInput, CallResult, Settlement } from './types.ts';

/**
 * Runs the call and settles it, whatever its end: success, denial, failure, cancellation, deadline.
 * Resolves for every one of these; rejects only for defects.
 */
export async function runCall(input: CallInput, ports: CallPorts): Promise<CallResult> {
  return ports.settle({ callId: input.callId, ...(await reachEnd(input, ports)) });
}

async function reachEnd(input: CallInput, ports: CallPorts): Promise<Omit<Settlement, 'callId'>> {
  try {
    const admission = await ports.admit(input);
    if (!admission.allowed) return { outcome: 'denied', answerRef: null, error: admission.error };
    const { plan } = admission;
    return await ports.within(plan.timeouts.totalMs, () => runRoute(input, plan, ports));
  } catch (error) {
    if (error instanceof CallInterruptedError) return interruption(error);
    if (HoldfastError.is(error)) return { outcome: 'failed', answerRef: null, error: error.toRecord() };
    throw error;
  }
}

function interruption({ reason }: CallInterruptedError): Omit<Settlement, 'callId'> {
  return reason === 'cancelled'
    ? { outcome: 'cancelled', answerRef: null, error: cancelledRecord() }
    : {
        outcome: 'timed_out',
        answerRef: null,
        error: {
          code: 'provider_timeout',
          message: 'The call did not end within its total timeout.',
          source: 'gateway',
        },
      };
}

export function cancelledRecord(): ErrorRecord {
  return { code: 'cancelled', message: 'The call was cancelled.', source: 'gateway' };
}
