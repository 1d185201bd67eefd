import { resolve } from 'node:path';

/** `HOLDFAST_HOME`, or `./.holdfast`. */
export function homeOf(env: Readonly<Record<string, string | undefined>>): string {
  return resolve(env['HOLDFAST_HOME'] || './.holdfast');
}
