/** Errors of the catalogue as Temporal failures whose type is the code, so that workflows and the UI see what they are. */
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { errorTable, HoldfastError } from '../core/errors.ts';

type Step = (...args: never[]) => Promise<unknown>;

/** Wraps each function: a `HoldfastError` leaves as an `ApplicationFailure` of that type, retried only if it may help. */
export function typedFailures<T extends { [K in keyof T]: Step }>(functions: T, onDefect: (error: unknown) => void): T {
  const wrapped = Object.entries<Step>(functions).map(([name, run]) => [
    name,
    async (...args: never[]) => {
      try {
        return await run(...args);
      } catch (error) {
        if (HoldfastError.is(error)) throw toFailure(error);
        if (error instanceof TemporalFailure) throw error;
        onDefect(error);
        throw toDefect(name, error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}

function toFailure(error: HoldfastError): ApplicationFailure {
  return ApplicationFailure.create({
    type: error.code,
    message: error.message,
    details: [error.toRecord()],
    // Only the engine's own trouble passes with time; everything else would fail the same way again.
    nonRetryable: !errorTable[error.code].sdkMayRetry,
  });
}

/** An unforeseen error's text may quote a prompt or an answer: history gets its kind, the log of the worker the rest. */
function toDefect(step: string, error: unknown): ApplicationFailure {
  const kind = error instanceof Error ? error.name : typeof error;
  return ApplicationFailure.create({ type: 'Defect', message: `${step} failed with an unforeseen ${kind}.` });
}
