/** One call from admission to settlement: the order of things, and nothing of how they are done. */
import { HoldfastError, type ErrorRecord } from '../errors.ts';
import { CallInterruptedError, type CallPorts } from './ports.ts';
import { runRoute, timedOut, type CallEnd, type Unsettled } from './run-route.ts';
import type { CallInput, CallResult } from './types.ts';

/**
 * Runs the call and settles it, whatever its end: success, denial, failure, cancellation, deadline.
 * Resolves for every one of these; rejects only for defects.
 */
export async function runCall(input: CallInput, ports: CallPorts): Promise<CallResult> {
  const end = await reachEnd(input, ports);
  return 'result' in end ? end.result : ports.settle({ callId: input.callId, ...end });
}

async function reachEnd(input: CallInput, ports: CallPorts): Promise<CallEnd> {
  try {
    const admission = await ports.admit(input);
    if (!admission.allowed) return { outcome: 'denied', answerRef: null, error: admission.error };
    return await runRoute(input, admission.plan, ports);
  } catch (error) {
    if (error instanceof CallInterruptedError) return interruption(error);
    if (HoldfastError.is(error)) return { outcome: 'failed', answerRef: null, error: error.toRecord() };
    throw error;
  }
}

function interruption({ reason }: CallInterruptedError): Unsettled {
  return reason === 'deadline' ? timedOut() : { outcome: 'cancelled', answerRef: null, error: cancelledRecord() };
}

function cancelledRecord(): ErrorRecord {
  return { code: 'cancelled', message: 'The call was cancelled.', source: 'gateway' };
}
