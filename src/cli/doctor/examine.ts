/** Everything that the doctor looks at. It changes nothing. */
import { checkConfig, checkSecrets } from './check-config.ts';
import { checkHome, checkPorts } from './check-home.ts';
import { checkLedger } from './check-ledger.ts';
import { checkDisk, checkNode } from './check-machine.ts';
import { checkRedis } from './check-redis.ts';
import { checkTemporal } from './check-temporal.ts';
import type { DoctorInput, Finding } from './check.ts';

const DEFAULT_PORTS = { gateway: 4000, temporal: 7233, ui: 8233 };

export interface PortFlags {
  port?: number;
  temporalPort?: number;
  uiPort?: number;
}

export async function examine(input: DoctorInput, flags: PortFlags): Promise<Finding[]> {
  const { finding: config, settings } = checkConfig(input);
  const ports = {
    gateway: flags.port ?? settings?.gateway.port ?? DEFAULT_PORTS.gateway,
    temporal: flags.temporalPort ?? DEFAULT_PORTS.temporal,
    ui: flags.uiPort ?? DEFAULT_PORTS.ui,
  };
  return [
    checkNode(),
    await checkTemporal(input),
    checkHome(input),
    ...(await checkPorts(input, ports)),
    await checkLedger(input),
    config,
    ...(settings ? [...(await checkRedis(input, settings)), await checkSecrets(input, settings)] : []),
    checkDisk(input),
  ];
}
