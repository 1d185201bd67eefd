import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HoldfastError } from '../core/errors.ts';

/**
 * `HOLDFAST_HOME`, or `./.holdfast`: a directory, or where one can be made.
 * @throws HoldfastError `invalid_request` for a path at or in which something else stands, or where this user may not write.
 */
export function homeOf(env: Readonly<Record<string, string | undefined>>): string {
  const home = resolve(env['HOLDFAST_HOME'] || './.holdfast');
  let existing = home;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) throw unusable(home, `${existing} is not a directory`);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    throw unusable(home, `this user may not write in ${existing}`);
  }
  return home;
}

function unusable(home: string, why: string): HoldfastError {
  return new HoldfastError(
    'invalid_request',
    `The home ${home} cannot be used: ${why}. Name another: HOLDFAST_HOME=<directory>.`,
  );
}
