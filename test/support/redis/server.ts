/** Test support: a real Redis on a free port of this machine, to be killed and started again. */
import { Redis } from 'ioredis';
import { freePorts } from '../../../src/temporal/server/free-ports.ts';
import { keepProcess, type KeptProcess } from '../kept-process.ts';
import { findRedisServer } from './binary.ts';

export interface TestRedis extends KeptProcess {
  url: string;
  /** One command on a connection of its own. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
}

/** @param settings further `--name value` of the server, flat. Nothing is kept on disk unless they say so. */
export async function startRedis(settings: readonly string[] = []): Promise<TestRedis> {
  const binary = findRedisServer();
  const [port = 0] = await freePorts(1);
  const command = async (name: string, ...args: (string | number)[]): Promise<unknown> => {
    const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => null });
    // Its errors come with the command.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  };
  const kept = await keepProcess({
    name: 'redis',
    // The program goes by its name: Debian ships one file for all of Redis's.
    command: (folder) => [
      ...(binary.libraries === null ? [] : ['/bin/bash', '-c', 'exec -a redis-server "$@"', 'redis-server']),
      binary.path,
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'],
      ...settings,
    ],
    env: { ...process.env, ...(binary.libraries !== null && { LD_LIBRARY_PATH: binary.libraries }) },
    probe: () => command('ping'),
  });
  return { ...kept, url: `redis://127.0.0.1:${String(port)}`, command };
}
