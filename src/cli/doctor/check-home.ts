/** The home: who owns it, whether its ports are free. */
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { tryExclusiveLock } from '../../temporal/process/exclusive-lock.ts';
import { isRunning } from '../../temporal/process/process-identity.ts';
import { readServerState } from '../../temporal/server/server-state.ts';
import { isFreePort } from '../../temporal/server/free-ports.ts';
import { findRunningGateway } from '../gateway-file.ts';
import { nearestExisting } from '../home.ts';
import { type DoctorInput, type Finding } from './check.ts';

export function checkHome({ home }: Pick<DoctorInput, 'home'>): Finding {
  const name = 'home';
  if (!mayWriteIn(home)) {
    return {
      name,
      status: 'fail',
      message: `this user may not write in ${home}, or where it would be made`,
      remedy: 'Give this user the right to, or name another: HOLDFAST_HOME=<directory>.',
    };
  }
  if (!existsSync(home)) return { name, status: 'ok', message: `${home} is made at the first start` };
  const gateway = findRunningGateway(home);
  if (gateway)
    return { name, status: 'ok', message: `${home} is served by process ${String(gateway.pid)} at ${gateway.url}` };
  const server = readServerState(home);
  if (server && isRunning(server)) {
    return {
      name,
      status: 'warn',
      message: `nothing serves ${home}, but the Temporal server of a killed run is alive (pid ${String(server.pid)})`,
      remedy: '`holdfast up` takes it over, and calls in flight go on.',
    };
  }
  if (isLocked(home)) {
    return {
      name,
      status: 'warn',
      message: `a process that takes no calls owns ${home}: it starts, stops, or hangs`,
      remedy: `Wait a little; ${join(home, 'holdfast.log')} says what it does, ${join(home, 'owner.json')} which it is.`,
    };
  }
  return { name, status: 'ok', message: `${home} is free` };
}

function mayWriteIn(home: string): boolean {
  try {
    accessSync(nearestExisting(home), constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Held by the owner of a home for life, whatever files say. */
function isLocked(home: string): boolean {
  const path = join(home, 'lock.db');
  if (!existsSync(path)) return false;
  const lock = tryExclusiveLock(path);
  lock?.release();
  return lock === undefined;
}

export interface WantedPorts {
  gateway: number;
  temporal: number;
  ui: number;
}

/** A port is well when nobody listens on it, or the running node of this home does. */
export async function checkPorts({ home }: Pick<DoctorInput, 'home'>, wanted: WantedPorts): Promise<Finding[]> {
  const gateway = existsSync(home) ? findRunningGateway(home) : null;
  const server = existsSync(home) ? readServerState(home) : undefined;
  const isServerAlive = server !== undefined && isRunning(server);
  const ours = {
    gateway: gateway ? Number(new URL(gateway.url).port) : null,
    temporal: isServerAlive ? server.port : null,
    ui: isServerAlive ? server.uiPort : null,
  };
  const flags = { gateway: '--port', temporal: '--temporal-port', ui: '--ui-port' };
  return Promise.all(
    (['gateway', 'temporal', 'ui'] as const).map(async (which): Promise<Finding> => {
      const name = `port of ${which}`;
      const running = ours[which];
      if (running !== null) return { name, status: 'ok', message: `${String(running)} is ours` };
      const port = wanted[which];
      if (port === 0 || (await isFreePort(port))) return { name, status: 'ok', message: `${String(port)} is free` };
      return {
        name,
        status: 'fail',
        message: `${String(port)} is taken by another process`,
        remedy: `Stop it, or start with another: holdfast up ${flags[which]} <port>.`,
      };
    }),
  );
}
