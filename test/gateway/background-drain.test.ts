/** A node that ends while it streams work from the background. */
import { rm } from 'node:fs/promises';
import pino from 'pino';
import { expect, it } from 'vitest';
import { parseSettings } from '../../src/config/load.ts';
import { startNode } from '../../src/gateway/node.ts';
import { providerAdapters } from '../../src/providers/registry.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { SIM_PROVIDER, startTestNode, until } from '../support/test-node.ts';

const CONFIG = `
providers:${SIM_PROVIDER}
models:
  held: { targets: [{ provider: sim, model: sim-small+holds=6 }] }
`;

it('a node that is drained does not wait for the job that it streams: the next node takes the stream up', async () => {
  const { node, simulator, server, connection, home } = await startTestNode({ config: CONFIG });
  const ask = (url: string, signal: AbortSignal | null = null) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      signal,
      headers: { 'content-type': 'application/json', 'x-holdfast-mode': 'background', 'idempotency-key': 'drained' },
      body: JSON.stringify({
        model: 'held',
        stream: true,
        max_tokens: 50,
        messages: [{ role: 'user', content: 'drained' }],
      }),
    });
  const leaving = new AbortController();
  await (await ask(node.url, leaving.signal)).body?.getReader().read();
  leaving.abort();
  await node.drain();
  await connection.close();
  expect([simulator.working, simulator.cancelled]).toEqual([1, 0]);

  const next = await connectNative({ address: server.address });
  const second = await startNode({
    settings: parseSettings(`gateway: { port: 0 }\n${CONFIG.replaceAll('SIM', simulator.url)}`, 'test', {
      env: {},
      adapters: providerAdapters,
    }),
    home,
    env: {},
    connection: next,
    namespace: server.namespace,
    logger: pino({ level: 'silent' }),
  });
  await until('it has taken the stream up', () => simulator.streams === 1);
  simulator.release();
  expect(await (await ask(second.url)).text()).toContain('[DONE]');
  expect(simulator.seen.map(({ path }) => path)).toEqual(['/v1/responses']);
  await second.drain();
  await next.close();
  await server.stop();
  await simulator.close();
  await rm(home, { recursive: true, force: true });
});
