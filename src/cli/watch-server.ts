import { isRunning } from '../temporal/process/process-identity.ts';
import { readServerState } from '../temporal/server/server-state.ts';

const LOOK_EVERY_MS = 500;

export interface ServerWatch {
  /** Resolves, with its pid, when the embedded Temporal server of the home has ended. */
  gone: Promise<number>;
  stop(): void;
}

/** Watches the Temporal server of a home. Without one (an external cluster) it never resolves. */
export function watchServer(home: string): ServerWatch {
  const server = readServerState(home);
  if (!server) return { gone: new Promise(() => undefined), stop: () => undefined };
  const { promise, resolve } = Promise.withResolvers<number>();
  const timer = setInterval(() => {
    if (isRunning(server)) return;
    clearInterval(timer);
    resolve(server.pid);
  }, LOOK_EVERY_MS);
  return { gone: promise, stop: () => clearInterval(timer) };
}
