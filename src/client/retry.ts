/** Sends a request again when the gateway says that this may help. Only safe with an idempotency key. */
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastClientError } from './client-error.ts';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

/** Runs `send`, and up to `retries` times more. Waits as long as the gateway asks for, else twice as long each time. */
export async function withRetries<T>(
  retries: number,
  signal: AbortSignal | undefined,
  send: () => Promise<T>,
): Promise<T> {
  for (let tried = 0; ; tried += 1) {
    try {
      return await send();
    } catch (error) {
      if (tried >= retries || !(error instanceof HoldfastClientError) || !error.mayRetry) throw error;
      const waitMs = error.retryAfterMs ?? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tried);
      await delay(waitMs, undefined, signal && { signal }).catch((interrupted: unknown) => {
        throw signal?.aborted ? signal.reason : interrupted;
      });
    }
  }
}
