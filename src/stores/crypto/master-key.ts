/** The one key that everything at rest hangs on. It is in the environment or in a file, never in the ledger. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { KEY_BYTES } from './derive-key.ts';

const VARIABLE = 'HOLDFAST_MASTER_KEY';
const FILE_NAME = 'master.key';
const NEXT_FILE_NAME = 'master.key.next';
const OWNER_ONLY = 0o600;
const OTHERS = 0o077;
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/;

export interface MasterKeyOptions {
  /** `HOLDFAST_HOME`; made when it is missing. */
  home: string;
  /** Default `process.env`. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Makes the file when there is no key. Default true; false for what only looks. */
  makes?: boolean;
}

/**
 * The key from `HOLDFAST_MASTER_KEY` (base64 of 32 bytes), else from `<home>/master.key`, which is made on first use.
 * @throws HoldfastError `engine_unavailable` when the key is malformed, others may read its file, or there is none to be made.
 */
export function loadMasterKey({ home, env = process.env, makes = true }: MasterKeyOptions): Uint8Array {
  const given = env[VARIABLE];
  if (given !== undefined && given !== '') return decodeKey(given, VARIABLE);
  const path = join(home, FILE_NAME);
  const key = readKeyFile(path);
  if (key) return key;
  if (!makes) throw unusable(`There is no master key. Set ${VARIABLE}, or put ${path} back.`);
  return makeKeyFile(home, path);
}

/** The file that the key is read from; null when it is in the environment. */
export function masterKeyFile({ home, env = process.env }: MasterKeyOptions): string | null {
  return env[VARIABLE] ? null : join(home, FILE_NAME);
}

/** Where a new master key is on disk before anything hangs on it, until it is in use. */
export function nextMasterKeyFile(home: string): string {
  return join(home, NEXT_FILE_NAME);
}

/** The key that a change of the master key has kept there; null when there is none. @throws HoldfastError as `loadMasterKey`. */
export function nextMasterKey(home: string): Uint8Array | null {
  return readKeyFile(nextMasterKeyFile(home));
}

/** Forgets the kept key where it is this one, which has just opened the home: whoever gave it has it. */
export function forgetNextMasterKey(home: string, inUse: Uint8Array): void {
  const next = nextMasterKey(home);
  if (next && Buffer.compare(next, inUse) === 0) rmSync(nextMasterKeyFile(home), { force: true });
}

function readKeyFile(path: string): Uint8Array | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw unusable(`${path} cannot be read. Give this user the right to read it.`, error);
  }
  if ((statSync(path).mode & OTHERS) !== 0) {
    throw unusable(`${path} can be read by other users. Run: chmod 600 ${path}`);
  }
  return decodeKey(text, path);
}

function makeKeyFile(home: string, path: string): Uint8Array {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, 'wx', OWNER_ONLY);
  try {
    writeSync(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    // A link, unlike a rename, never replaces the key of another process that was faster.
    linkSync(temporary, path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  const key = readKeyFile(path);
  if (!key) throw unusable(`${path} vanished while it was made.`);
  return key;
}

/** @param origin names it in the error. @throws HoldfastError `engine_unavailable` when it is not the base64 of 32 bytes. */
export function decodeKey(text: string, origin: string): Uint8Array {
  const trimmed = text.trim();
  if (!BASE64_KEY.test(trimmed)) {
    throw unusable(
      `${origin} must be the base64 of ${String(KEY_BYTES)} bytes. Make one with: openssl rand -base64 32`,
    );
  }
  return Buffer.from(trimmed, 'base64');
}

function unusable(message: string, cause?: unknown): HoldfastError {
  const error = new HoldfastError('engine_unavailable', `The master key is not usable: ${message}`);
  if (cause !== undefined) error.cause = cause;
  return error;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
