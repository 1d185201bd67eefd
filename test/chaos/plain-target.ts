/** The control: a gateway without a ledger. Kills that have no meaning for it are kills of its only process. */
import { fileURLToPath } from 'node:url';
import { startChild, type Child } from './child-process.ts';
import type { Target } from './target.ts';

const PLAIN_PROXY = fileURLToPath(new URL('./plain-proxy.ts', import.meta.url));
const READY_WITHIN_MS = 60_000;

export function createPlainTarget(port: number, upstreamPort: number): Target {
  let child: Child | null = null;
  const start = async () => {
    child = await startChild({
      args: [PLAIN_PROXY, String(port), String(upstreamPort)],
      readyLine: /^ready$/m,
      readyWithinMs: READY_WITHIN_MS,
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    child?.signal(signal);
    await child?.exited;
  };
  return {
    urls: [`http://127.0.0.1:${String(port)}`],
    start,
    async hit({ kind }) {
      const at = Date.now();
      await end(kind === 'terminate' ? 'SIGTERM' : 'SIGKILL');
      const restartedAt = Date.now();
      await start();
      return { at, restartedAt, kills: kind === 'terminate' ? 0 : 1, noticedAfterMs: null };
    },
    stop: () => end('SIGTERM'),
    abandon: () => child?.signal('SIGKILL'),
    callsOf: () => Promise.resolve(null),
    callById: () => Promise.resolve(null),
    openCalls: () => Promise.resolve(0),
    money: () => Promise.resolve(null),
    abandonUnknown: () => Promise.resolve(),
    keyOf: (tenant) => tenant,
  };
}
