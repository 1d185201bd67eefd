/** Holdfast in its embedded shape, under a supervisor that starts it again whenever it is gone. */
import { join } from 'node:path';
import { loadMasterKey } from '../../src/stores/crypto/master-key.ts';
import { openSqliteLedger } from '../../src/stores/sqlite/open-sqlite-ledger.ts';
import { stopProcess } from '../../src/temporal/process/stop-process.ts';
import { testServerBinary } from '../support/temporal/dev-server.ts';
import { keyOf } from './campaign-config.ts';
import type { Child } from './child-process.ts';
import { createHoldfastApi } from './holdfast-api.ts';
import { serverOf, startHoldfastNode, strike, type HoldfastNodeOptions } from './holdfast-node.ts';
import { endLeftover } from './leftover.ts';
import type { Target } from './target.ts';

/** A node that lost its Temporal server leaves by itself, one with a SIGTERM when it has drained; or never. */
const LEAVES_WITHIN_MS = 60_000;

export async function createHoldfastTarget(options: Omit<HoldfastNodeOptions, 'binary'>): Promise<Target> {
  const { home, ports } = options;
  const binary = await testServerBinary();
  await endLeftover(home);
  const url = `http://127.0.0.1:${String(ports.gateway)}`;
  let node: Child | null = null;

  async function start(): Promise<Child> {
    node = await startHoldfastNode({ ...options, binary });
    return node;
  }

  async function left(leaving: Child): Promise<void> {
    const limit = setTimeout(() => leaving.signal('SIGKILL'), LEAVES_WITHIN_MS);
    await leaving.exited;
    clearTimeout(limit);
  }

  return {
    urls: [url],
    async start() {
      await start();
    },
    async hit({ kind }) {
      const struck = node ?? (await start());
      const at = Date.now();
      const kills = strike(struck, home, kind);
      await left(struck);
      const restartedAt = Date.now();
      await start();
      return { at, restartedAt, kills, noticedAfterMs: kind === 'kill-server' ? restartedAt - at : null };
    },
    async stop() {
      node?.signal('SIGTERM');
      if (node) await left(node);
      const server = serverOf(home);
      if (server) await stopProcess(server);
    },
    abandon() {
      node?.signal('SIGKILL');
      const server = serverOf(home);
      if (server) process.kill(server.pid, 'SIGKILL');
    },
    ...createHoldfastApi(url),
    async abandonUnknown() {
      const masterKey = loadMasterKey({ home, env: {} });
      const { ledger } = openSqliteLedger({ path: join(home, 'ledger.db'), masterKey });
      try {
        await ledger.abandonUnknown(Date.now() + 1);
      } finally {
        await ledger.close();
      }
    },
    keyOf,
  };
}
