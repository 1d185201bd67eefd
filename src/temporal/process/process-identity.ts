import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When the process `pid` started, as a string to compare for equality, or `undefined` when no such process runs.
 * A pid alone is reused by the system; a pid with its start time names one process for ever.
 * Linux: boot id and field 22 of /proc/PID/stat. Elsewhere: what `ps` says, to the second.
 */
export function processStartTime(pid: number, platform: NodeJS.Platform = process.platform): string | undefined {
  return platform === 'linux' ? linuxStartTime(pid) : psStartTime(pid);
}

/** Who a process is. Both fields must match before anything may be sent to it. */
export interface ProcessIdentity {
  pid: number;
  startTime: string;
}

export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return processStartTime(pid) === startTime;
}

function linuxStartTime(pid: number): string | undefined {
  const stat = readProcFile(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The command name is in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const threads = Number(fields[20 - 3]);
  const ticks = fields[22 - 3];
  // A zombie holds no port and no lock: where nobody reaps (a container without init) it stays for ever. But the first
  // thread of a killed process is one before the others have let go of their files.
  const isDead = (state === 'Z' && threads <= 1) || state === 'X';
  if (isDead || ticks === undefined) return undefined;
  // Ticks count from boot, so they repeat after a reboot.
  const bootId = readProcFile('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return `${bootId}/${ticks}`;
}

function readProcFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}

function psStartTime(pid: number): string | undefined {
  let line: string;
  try {
    line = execFileSync('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch (error) {
    // ps exits with 1 when there is no such process.
    if (error instanceof Error && 'status' in error && error.status === 1) return undefined;
    throw error;
  }
  const [, state, startTime] = /^(\S+)\s+(.+)$/.exec(line) ?? [];
  return state?.startsWith('Z') === true ? undefined : startTime;
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
