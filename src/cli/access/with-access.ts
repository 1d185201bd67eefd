import { openAccess } from './open-access.ts';
import type { SystemAccess } from './system-access.ts';

/** Opens the system that the environment names, for one piece of work. */
export async function withAccess<T>(env: NodeJS.ProcessEnv, work: (access: SystemAccess) => Promise<T>): Promise<T> {
  const access = openAccess(env);
  try {
    return await work(access);
  } finally {
    await access.close();
  }
}
