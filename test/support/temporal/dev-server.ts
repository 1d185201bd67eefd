import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startEmbeddedServer, type EmbeddedServer } from '../../../src/temporal/server/embedded-server.ts';
import { findServerBinary, type ServerBinary } from '../../../src/temporal/binary/find-server-binary.ts';
import { isRunning, processStartTime, type ProcessIdentity } from '../../../src/temporal/process/process-identity.ts';
import { freePorts } from '../../../src/temporal/server/free-ports.ts';

export interface TestServer extends EmbeddedServer {
  home: string;
  port: number;
  uiPort: number;
  /** SIGKILL, as a crash would end it. */
  kill: () => Promise<void>;
  /** Starts the server again, on the same ports and database, after a test has killed it. */
  restart: () => Promise<void>;
}

/** A real Temporal server on free ports with a database of its own. `stop()` removes everything. */
export async function startTestServer({ flags }: { flags?: readonly string[] } = {}): Promise<TestServer> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-test-server-'));
  const [port = 0, uiPort = 0] = await freePorts(2);
  const start = async () => startEmbeddedServer({ home, port, uiPort, binary: await testServerBinary(), flags });
  let server = await start();
  let forget = killWithUs(server.pid);
  return {
    ...server,
    home,
    port,
    uiPort,
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      while (server.isRunning()) await setTimeout(10);
    },
    restart: async () => {
      forget();
      server = await start();
      forget = killWithUs(server.pid);
    },
    stop: async () => {
      await server.stop();
      forget();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export function testServerBinary(): Promise<ServerBinary> {
  return findServerBinary({ env: process.env, onProgress: (line) => process.stderr.write(`${line}\n`) });
}

const alive = new Map<number, ProcessIdentity>();
process.once('exit', killAll);

/** A detached server would outlive a test run that ends early. Returns how to take it off the list. */
export function killWithUs(pid: number): () => void {
  const startTime = processStartTime(pid);
  if (startTime !== undefined) alive.set(pid, { pid, startTime });
  return () => alive.delete(pid);
}

function killAll(): void {
  for (const identity of alive.values()) if (isRunning(identity)) process.kill(identity.pid, 'SIGKILL');
}
