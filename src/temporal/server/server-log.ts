import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { hasCode } from '../process/process-identity.ts';

const MAX_LOG_BYTES = 50 * 1024 * 1024;
const TAIL_BYTES = 16 * 1024;

export interface ServerLog {
  /** For the child's stdout and stderr. Close it once the child has its own copy. */
  fd: number;
  path: string;
  /** The last lines written since the log was opened, at most `count`. */
  tail: (count: number) => string[];
}

/** Opens a log for appending. One larger than `maxBytes` (default 50 MB) becomes `.1` first, replacing an older `.1`. */
export function openServerLog(path: string, { maxBytes = MAX_LOG_BYTES } = {}): ServerLog {
  if (sizeOf(path) > maxBytes) renameSync(path, `${path}.1`);
  const fd = openSync(path, 'a', 0o600);
  const start = fstatSync(fd).size;
  return { fd, path, tail: (count) => lastLines(path, start, count) };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

function lastLines(path: string, start: number, count: number): string[] {
  const fd = openSync(path, 'r');
  try {
    const end = fstatSync(fd).size;
    const from = Math.max(start, end - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.max(0, end - from));
    const read = readSync(fd, buffer, 0, buffer.length, from);
    const lines = buffer.toString('utf8', 0, read).split('\n');
    return lines.filter((line) => line.trim() !== '').slice(-count);
  } finally {
    closeSync(fd);
  }
}
