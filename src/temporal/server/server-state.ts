import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode } from '../process/process-identity.ts';

const stateSchema = z.object({
  pid: z.int().positive(),
  startTime: z.string().min(1),
  home: z.string(),
  version: z.string(),
  flagsHash: z.string(),
  port: z.int(),
  uiPort: z.int(),
});

/** Which server runs for a home: what the next owner needs to take it over, or to stop it. */
export type ServerState = z.infer<typeof stateSchema>;

const statePath = (home: string): string => join(home, 'temporal.json');

/** `undefined` when there is none, or when it belongs to the home this one was copied from. */
export function readServerState(home: string): ServerState | undefined {
  let text: string;
  try {
    text = readFileSync(statePath(home), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  // Writes are atomic, so a file that does not parse was cut by a power loss: its process is gone too.
  const state = stateSchema.safeParse(parseJson(text)).data;
  return state?.home === homeIdentity(home) ? state : undefined;
}

/** Synchronous, to leave no moment in which a killed owner forgets its server. */
export function writeServerState(home: string, state: ServerState): void {
  const draft = `${statePath(home)}.draft`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(draft, statePath(home));
}

export function removeServerState(home: string): void {
  rmSync(statePath(home), { force: true });
}

/** The same for a moved directory, another for a copied one. */
export function homeIdentity(home: string): string {
  const { dev, ino } = statSync(home, { bigint: true });
  return `${dev}:${ino}`;
}

export function hashFlags(args: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(args)).digest('hex');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
