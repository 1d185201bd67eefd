/**
 * The ledger's own keys: those of hashes that must stay the same under a new master key. Made and read in a transaction of
 * their own, so that none is used before it is on disk; kept in memory from then on.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { SqlContext } from './context.ts';
import type { DataKeys } from './data-keys.ts';

export interface OwnKeys {
  /** Keys the hashes of request bodies. */
  fingerprints(): Promise<Uint8Array>;
  /** A subject as it stands in the ledger: it may be personal, so nobody can read or guess it from there. */
  subjectHandle(subject: string): Promise<string>;
}

export function createOwnKeys(context: SqlContext, keys: DataKeys): OwnKeys {
  const read = (purpose: 'fingerprints' | 'subjects') => context.write((tx) => keys.own(tx, purpose));
  let fingerprints: Promise<Uint8Array> | null = null;
  let subjects: Promise<KeyObject> | null = null;
  /** A failure is not kept: the next one asks again. */
  const orForget = async <T>(made: Promise<T>, forget: () => void): Promise<T> => {
    try {
      return await made;
    } catch (error) {
      forget();
      throw error;
    }
  };
  return {
    fingerprints: () => orForget((fingerprints ??= read('fingerprints')), () => (fingerprints = null)),
    async subjectHandle(subject) {
      const key = await orForget(
        (subjects ??= read('subjects').then((bytes) => createSecretKey(bytes))),
        () => (subjects = null),
      );
      return createHmac('sha256', key).update(subject).digest('base64url').slice(0, 32);
    },
  };
}
