/**
 * How many starts of calls are on their way to the engine at once. A burst waits here, where waiting costs nothing,
 * instead of at the engine, where each would use up its own deadline; when the engine is away, no one waits at all.
 */
import { HoldfastError } from '../../core/errors.ts';

export interface StartGate {
  /** Runs `start` when its turn comes. @throws HoldfastError `engine_unavailable` when too many wait, or the engine went away. */
  pass<T>(start: () => Promise<T>): Promise<T>;
}

export interface StartGateOptions {
  /** Starts at once. Default 32: more only wait for each other inside the server. */
  atOnce?: number;
  /** Starts that may wait for their turn. Default 2,000. */
  maxWaiting?: number;
  /** The longest wait for a turn, in milliseconds. */
  maxWaitMs: number;
  /** Whether a failed start means that the engine cannot be reached. */
  meansAway(error: unknown): boolean;
}

interface Waiting {
  enter: () => void;
  refuse: (reason: string) => void;
}

const AT_ONCE = 32;
const MAX_WAITING = 2_000;
const RETRY_AFTER_MS = 1_000;

export function createStartGate(options: StartGateOptions): StartGate {
  const { atOnce = AT_ONCE, maxWaiting = MAX_WAITING, maxWaitMs, meansAway } = options;
  const waiting: Waiting[] = [];
  let running = 0;

  async function turn(): Promise<void> {
    if (running < atOnce) {
      running += 1;
      return;
    }
    if (waiting.length >= maxWaiting) throw unavailable('too many calls wait for their start');
    // Who ends hands its place on: `running` stays as it is.
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(entry), 1);
        reject(unavailable('it is too slow for the calls that wait'));
      }, maxWaitMs);
      const entry: Waiting = {
        enter() {
          clearTimeout(timer);
          resolve();
        },
        refuse(reason) {
          clearTimeout(timer);
          reject(unavailable(reason));
        },
      };
      waiting.push(entry);
    });
  }

  function leave(): void {
    const next = waiting.shift();
    if (next) next.enter();
    else running -= 1;
  }

  return {
    async pass(start) {
      await turn();
      try {
        return await start();
      } catch (error) {
        // Each would only wait out the same deadline once more.
        if (meansAway(error)) for (const { refuse } of waiting.splice(0)) refuse('it does not answer');
        throw error;
      } finally {
        leave();
      }
    },
  };
}

function unavailable(reason: string): HoldfastError {
  return new HoldfastError('engine_unavailable', `The durable engine cannot take calls now: ${reason}.`, {
    retryAfterMs: RETRY_AFTER_MS,
  });
}
