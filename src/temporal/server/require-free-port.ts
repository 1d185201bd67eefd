import { createServer } from 'node:net';
import { HoldfastError } from '../../core/errors.ts';
import { hasCode } from '../process/process-identity.ts';

/** Throws `engine_unavailable` when something listens on the port already. `flag` is how a user chooses another one. */
export async function requireFreePort(port: number, flag: string): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve);
    });
  } catch (error) {
    if (hasCode(error, 'EADDRINUSE')) {
      throw new HoldfastError(
        'engine_unavailable',
        `Port ${port} on 127.0.0.1 is in use by another process. Stop that process, or choose another port: ${flag} ${port + 1}.`,
      );
    }
    if (hasCode(error, 'EACCES')) {
      throw new HoldfastError(
        'engine_unavailable',
        `This user may not listen on port ${port}. Choose a port above 1023: ${flag} <port>.`,
      );
    }
    throw error;
  }
  await new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
}
