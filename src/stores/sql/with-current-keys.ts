import type { SqlContext } from './context.ts';
import { StaleKeyError, type DataKeys } from './data-keys.ts';

const MAX_TRIES = 4;

/** Writing transactions that begin again when the key they sealed with was replaced or destroyed meanwhile. */
export function withCurrentKeys(context: SqlContext, keys: Pick<DataKeys, 'forget'>): SqlContext {
  return {
    ...context,
    async write(work) {
      for (let tries = 1; ; tries += 1) {
        try {
          return await context.write(work);
        } catch (error) {
          if (!(error instanceof StaleKeyError) || tries === MAX_TRIES) throw error;
          keys.forget(error.keyId);
        }
      }
    },
  };
}
