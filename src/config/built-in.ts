/** What runs without a configuration file: simulated providers, and each real one whose usual key is in the environment. */
import type { ProviderAdapter } from '../core/ports/provider.ts';

interface BuiltInOptions {
  env: Readonly<Record<string, string | undefined>>;
  adapters: ReadonlyMap<string, ProviderAdapter>;
}

/** The simulator reads its behaviour from these model names; see `src/simulator`. */
const SIMULATED_ROUTES = {
  demo: { targets: [{ provider: 'simulated', model: 'sim-small' }] },
  'demo-embedding': { targets: [{ provider: 'simulated', model: 'sim-embedding' }] },
  'demo-failover': {
    targets: [
      { provider: 'simulated', model: 'sim-down' },
      { provider: 'simulated-backup', model: 'sim-small' },
    ],
    retries: { maxAttempts: 1 },
  },
};

export function builtInConfig({ env, adapters }: BuiltInOptions): unknown {
  const real = [...adapters.values()].filter(({ usualKeyVariable }) => usualKeyVariable && env[usualKeyVariable]);
  return {
    providers: {
      simulated: { kind: 'simulated' },
      'simulated-backup': { kind: 'simulated' },
      ...Object.fromEntries(
        real.map(({ kind, usualKeyVariable }) => [kind, { kind, apiKey: `env:${String(usualKeyVariable)}` }]),
      ),
    },
    models: SIMULATED_ROUTES,
  };
}
