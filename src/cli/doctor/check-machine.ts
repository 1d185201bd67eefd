/** Node and disk. */
import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { NEEDED_NODE } from '../needed-node.ts';
import type { DoctorInput, Finding } from './check.ts';

const MIB = 1024 * 1024;
/** The Temporal server's database and the ledger grow with each call. */
const LOW_MIB = 1024;
const TOO_LOW_MIB = 100;

export function checkNode(version: string = process.versions.node): Finding {
  const name = 'node';
  return Number(version.split('.')[0]) >= NEEDED_NODE
    ? { name, status: 'ok', message: `Node ${version}` }
    : {
        name,
        status: 'fail',
        message: `Node ${version} is too old`,
        remedy: `Install Node ${String(NEEDED_NODE)} or newer.`,
      };
}

export function checkDisk({ home }: Pick<DoctorInput, 'home'>, freeMib: number = freeMibAt(home)): Finding {
  const name = 'disk';
  const message = `${String(freeMib)} MiB free for ${home}`;
  const remedy = 'Free space, or move the home: HOLDFAST_HOME=<directory>.';
  if (freeMib < TOO_LOW_MIB) return { name, status: 'fail', message, remedy };
  return freeMib < LOW_MIB ? { name, status: 'warn', message, remedy } : { name, status: 'ok', message };
}

function freeMibAt(path: string): number {
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  return Math.floor((bavail * bsize) / MIB);
}
