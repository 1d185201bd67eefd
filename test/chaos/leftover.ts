/** The node of a campaign that was itself killed: it would keep its home locked. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  hasCode,
  isRunning,
  processStartTime,
  type ProcessIdentity,
} from '../../src/temporal/process/process-identity.ts';
import { stopProcess } from '../../src/temporal/process/stop-process.ts';

const FILE = 'campaign-node.json';

export function rememberNode(home: string, pid: number): void {
  const startTime = processStartTime(pid);
  if (startTime !== undefined) writeFileSync(join(home, FILE), JSON.stringify({ pid, startTime }));
}

export async function endLeftover(home: string): Promise<void> {
  try {
    const identity = JSON.parse(readFileSync(join(home, FILE), 'utf8')) as ProcessIdentity;
    if (isRunning(identity)) await stopProcess(identity);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
