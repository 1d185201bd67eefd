import { setTimeout } from 'node:timers/promises';
import type { RunTransaction } from '../sql/context.ts';
import type { Database } from '../sql/schema.ts';
import { mayBeTriedAgain } from './postgres-error.ts';

const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 200;

/**
 * Runs writing and reading transactions, again when the server undid them for the sake of another.
 *
 * Writers are READ COMMITTED: the verbs lock what they decide by, and each statement after a lock sees what its last holder
 * committed; under a longer view it would be stale there. Readers see one moment.
 * @param random from 0 to 1, spreads the pauses of those that met.
 */
export function createRunners(
  db: Database,
  random: () => number,
): { runWrite: RunTransaction; runRead: RunTransaction } {
  const again = async <T>(run: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await run();
      } catch (error) {
        if (tries === MAX_TRIES || !mayBeTriedAgain(error)) throw error;
        await setTimeout(Math.min(FIRST_PAUSE_MS * 2 ** tries, MAX_PAUSE_MS) * random());
      }
    }
  };
  const writing = () => db.transaction().setIsolationLevel('read committed');
  const reading = () => db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return {
    runWrite: (work) => again(() => writing().execute(work)),
    runRead: (work) => again(() => reading().execute(work)),
  };
}
