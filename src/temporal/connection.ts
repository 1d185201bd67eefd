import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { HoldfastError } from '../core/errors.ts';

/** The server of this home, or a cluster that the environment names. */
export type TemporalTarget =
  { kind: 'embedded' } | { kind: 'external'; connectionOptions: NativeConnectionOptions; namespace: string };

/**
 * Any of these selects a cluster. A configuration file in the user's home alone does not: a first try on a laptop must
 * not land in the cluster that its owner works with.
 */
const SELECTORS = ['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE'];
/** Without a cluster these would be ignored, and the calls would run elsewhere than meant. */
const CLUSTER_ONLY = /^TEMPORAL_(NAMESPACE|API_KEY|TLS(_.*)?|GRPC_META_.*)$/;

/**
 * Reads `TEMPORAL_*` as `@temporalio/envconfig` does; empty variables count as unset. Throws `engine_unavailable` when
 * a profile, a file or an address is missing, or when a setting of a cluster is given without a cluster.
 */
export function resolveTemporalTarget(env: NodeJS.ProcessEnv): TemporalTarget {
  const given = Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => Boolean(entry[1])));
  if (!SELECTORS.some((name) => name in given)) {
    const stray = Object.keys(given).filter(
      (name) => CLUSTER_ONLY.test(name) && !isDefaultNamespace(name, given[name]),
    );
    if (stray.length > 0) {
      throw new HoldfastError(
        'engine_unavailable',
        `${stray.join(', ')} without TEMPORAL_ADDRESS. Set TEMPORAL_ADDRESS to use that cluster, or unset ${stray.join(', ')} to use the embedded server.`,
      );
    }
    return { kind: 'embedded' };
  }
  const { connectionOptions, namespace = 'default' } = loadConfig(given);
  if (!connectionOptions.address) {
    throw new HoldfastError('engine_unavailable', 'The Temporal configuration has no address. Set TEMPORAL_ADDRESS.');
  }
  return { kind: 'external', connectionOptions, namespace };
}

/**
 * One connection for the worker and the client of a process: eager start works only when they share it.
 * Throws `engine_unavailable` when the server cannot be reached.
 */
export async function connectNative(options: NativeConnectionOptions): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(options);
  } catch (cause) {
    const error = new HoldfastError(
      'engine_unavailable',
      `Temporal at ${options.address ?? 'localhost:7233'} cannot be reached: ${reasonOf(cause)}. ` +
        'Check TEMPORAL_ADDRESS and the TLS settings, and that the server runs.',
    );
    error.cause = cause;
    throw error;
  }
}

function isDefaultNamespace(name: string, value: string | undefined): boolean {
  return name === 'TEMPORAL_NAMESPACE' && value === 'default';
}

function loadConfig(env: Record<string, string>) {
  try {
    return loadClientConnectConfig({ overrideEnvVars: env });
  } catch (cause) {
    const error = new HoldfastError(
      'engine_unavailable',
      `The Temporal configuration cannot be read: ${reasonOf(cause)}. Check the TEMPORAL_* variables and the files they name.`,
    );
    error.cause = cause;
    throw error;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
