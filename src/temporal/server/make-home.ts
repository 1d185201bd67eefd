import { accessSync, constants, mkdirSync } from 'node:fs';
import { HoldfastError } from '../../core/errors.ts';

/**
 * Makes the home where it is missing, for its user alone.
 * @throws HoldfastError `invalid_request` where it cannot be made, or this user may not write in it.
 */
export function makeHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    accessSync(home, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw Object.assign(
      new HoldfastError(
        'invalid_request',
        `This user may not write in the home ${home} (${why}). Name another: HOLDFAST_HOME=<directory>.`,
      ),
      { cause },
    );
  }
}
