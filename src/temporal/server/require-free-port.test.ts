import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePorts } from './free-ports.ts';
import { requireFreePort } from './require-free-port.ts';

it('passes a free port and leaves it free, refuses a taken one and names the flag', async () => {
  const [port = 0] = await freePorts(1);
  await requireFreePort(port, '--temporal-port');
  await requireFreePort(port, '--temporal-port');

  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await expect(requireFreePort(port, '--temporal-port')).rejects.toMatchObject({
    code: 'engine_unavailable',
    message: expect.stringContaining(`--temporal-port ${port + 1}`) as string,
  });
  await new Promise((resolve) => server.close(resolve));
});
