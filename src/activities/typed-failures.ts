/** Errors of the catalogue as Temporal failures whose type is the code, so that workflows and the UI see what they are. */
import { ApplicationFailure } from '@temporalio/common';
import { errorTable, HoldfastError } from '../core/errors.ts';

type Step = (...args: never[]) => Promise<unknown>;

/** Wraps each function: a `HoldfastError` leaves as an `ApplicationFailure` of that type, retried only if it may help. */
export function typedFailures<T extends { [K in keyof T]: Step }>(functions: T): T {
  const wrapped = Object.entries<Step>(functions).map(([name, run]) => [
    name,
    async (...args: never[]) => {
      try {
        return await run(...args);
      } catch (error) {
        throw HoldfastError.is(error) ? toFailure(error) : error;
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
