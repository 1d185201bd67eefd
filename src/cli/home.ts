import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HoldfastError } from '../core/errors.ts';

/**
 * `HOLDFAST_HOME`, or `./.holdfast`: a directory, or where one can be made.
 * @throws HoldfastError `invalid_request` for a path at or in which something else stands.
 */
export function homeOf(env: Readonly<Record<string, string | undefined>>): string {
  const home = resolve(env['HOLDFAST_HOME'] || './.holdfast');
  const existing = nearestExisting(home);
  if (statSync(existing).isDirectory()) return home;
  throw new HoldfastError(
    'invalid_request',
    `The home ${home} cannot be used: ${existing} is not a directory. Name another: HOLDFAST_HOME=<directory>.`,
  );
}

/** The path itself, or the nearest of the folders above it that is there. */
export function nearestExisting(path: string): string {
  let existing = path;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  return existing;
}
