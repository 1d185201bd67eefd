/** `<home>/gateway.json`: where the running gateway of a home is found. Written by `up`, read by the other commands. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../stores/files/write-file-atomic.ts';
import { hasCode, isRunning, processStartTime } from '../temporal/process/process-identity.ts';

const gatewaySchema = z.object({
  url: z.url(),
  pid: z.int().positive(),
  startTime: z.string(),
  /** Null where the Temporal server is not ours. */
  temporalUiUrl: z.string().nullable(),
});

export type RunningGateway = z.infer<typeof gatewaySchema>;

const pathIn = (home: string) => join(home, 'gateway.json');

/** Says that this process is the gateway of the home. */
export function announceGateway(home: string, gateway: Pick<RunningGateway, 'url' | 'temporalUiUrl'>): void {
  const startTime = processStartTime(process.pid) ?? '';
  writeFileAtomic(pathIn(home), `${JSON.stringify({ ...gateway, pid: process.pid, startTime })}\n`);
}

/** Null when no gateway of this home runs; a file that a killed one left behind counts for nothing. */
export function findRunningGateway(home: string): RunningGateway | null {
  let text: string;
  try {
    text = readFileSync(pathIn(home), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const gateway = gatewaySchema.safeParse(jsonOrNull(text)).data;
  return gateway && isRunning(gateway) ? gateway : null;
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Gateways write the file whole: this one is nobody's.
    return null;
  }
}

export function withdrawGateway(home: string): void {
  rmSync(pathIn(home), { force: true });
}
