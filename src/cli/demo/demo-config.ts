/** The configuration that the demo runs under. Every provider is the demo's own simulator, so every step is the same each time. */
import { generateVirtualKey, hashVirtualKey } from '../../ledger/virtual-key.ts';

export interface DemoKeys {
  /** May see and do everything. */
  rich: string;
  /** Of a tenant whose budget has room for nothing. */
  poor: string;
}

/** How long the simulated provider thinks in the call that is interrupted: long enough to be killed in the middle. */
export const INTERRUPTED_MODEL_DELAY_MS = 3_000;

export function makeDemoKeys(): DemoKeys {
  return { rich: generateVirtualKey(), poor: generateVirtualKey() };
}

/** The text of a `holdfast.yaml`. JSON is YAML. */
export function demoConfig(simulatorUrl: string, keys: DemoKeys): string {
  const simulator = { kind: 'simulated', baseUrl: `${simulatorUrl}/v1`, allowPrivateAddress: true };
  const on = (model: string) => [{ provider: 'simulated', model }];
  const config = {
    providers: { simulated: simulator, 'simulated-backup': simulator },
    models: {
      demo: { targets: on('sim-small+delay=120') },
      'demo-stream': { targets: on('sim-paced') },
      // Answers 429 with Retry-After once, then answers.
      'demo-busy': { targets: on('sim-busy+delay=40'), retries: { maxAttempts: 2 } },
      'demo-failover': {
        targets: [...on('sim-down'), { provider: 'simulated-backup', model: 'sim-small' }],
        retries: { maxAttempts: 1 },
      },
      'demo-crash': { targets: on(`sim-small+delay=${String(INTERRUPTED_MODEL_DELAY_MS)}`) },
    },
    tenants: {
      default: {},
      'demo-poor': { budgets: [{ limitUsd: '0.000000001', period: 'day', hard: true }] },
    },
    keys: [
      { name: 'demo', tenant: 'default', hash: hashVirtualKey(keys.rich), roles: ['caller', 'admin'] },
      { name: 'demo-poor', tenant: 'demo-poor', hash: hashVirtualKey(keys.poor) },
    ],
  };
  return JSON.stringify(config, null, 2);
}
