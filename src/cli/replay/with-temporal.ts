/** The Temporal server of the system that is meant: the cluster of the environment, or the embedded one of the home. */
import { Client } from '@temporalio/client';
import { HoldfastError } from '../../core/errors.ts';
import { connectNative, resolveTemporalTarget } from '../../temporal/connection.ts';
import { isRunning } from '../../temporal/process/process-identity.ts';
import { readServerState } from '../../temporal/server/server-state.ts';
import { localHome } from '../access/open-access.ts';

/** @throws HoldfastError `engine_unavailable` when no server runs or it cannot be reached. */
export async function withTemporal<T>(env: NodeJS.ProcessEnv, work: (client: Client) => Promise<T>): Promise<T> {
  const target = resolveTemporalTarget(env);
  const connection = await connectNative(
    target.kind === 'external' ? target.connectionOptions : { address: embeddedAddress(env) },
  );
  try {
    return await work(new Client({ connection, namespace: target.kind === 'external' ? target.namespace : 'default' }));
  } finally {
    await connection.close();
  }
}

function embeddedAddress(env: NodeJS.ProcessEnv): string {
  const home = localHome(env, 'Histories are exported');
  const server = readServerState(home);
  if (server && isRunning(server)) return `127.0.0.1:${String(server.port)}`;
  throw new HoldfastError(
    'engine_unavailable',
    `No Temporal server runs for the home ${home}. Start one with \`holdfast up\`, or name a cluster: TEMPORAL_ADDRESS=host:7233.`,
  );
}
