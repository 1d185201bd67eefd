/**
 * A secrets file under a new master key, in two steps with the ledger's own between them. After `prepare` it opens with the
 * old key and with the new one; after `finish` with the new one only. Each step is one file that replaces another.
 */
import { HoldfastError } from '../../core/errors.ts';
import { openEnvelope, sealEnvelope } from '../crypto/envelope.ts';
import { deriveKey } from '../crypto/derive-key.ts';
import { contextOf, readSecrets } from './encrypted-secret-file.ts';
import { withFileLock } from './file-lock.ts';
import { formatSecrets, type Secrets, type StoredVersion } from './secrets-document.ts';
import { writeFileAtomic } from './write-file-atomic.ts';

export interface SecretFileRekeying {
  /** @throws HoldfastError `engine_unavailable` when a secret opens with neither key; nothing is changed then. */
  prepare(): void;
  finish(): void;
}

export function rekeySecretFile(path: string, from: Uint8Array, to: Uint8Array): SecretFileRekeying {
  const [oldKey, newKey] = [deriveKey(from, 'secrets'), deriveKey(to, 'secrets')];

  const change = (edit: (name: string, stored: StoredVersion) => StoredVersion): void =>
    withFileLock(`${path}.lock`, () => {
      const secrets = readSecrets(path);
      if (secrets.size === 0) return;
      const changed: Secrets = new Map(
        [...secrets].map(([name, secret]) => [
          name,
          { ...secret, versions: secret.versions.map((stored) => edit(name, stored)) },
        ]),
      );
      writeFileAtomic(path, formatSecrets(changed));
    });

  const isNew = (context: string, sealed: string): boolean => {
    try {
      openEnvelope(newKey, context, Buffer.from(sealed, 'base64'));
      return true;
    } catch {
      // The old key's, as most are.
      return false;
    }
  };

  const openOld = (name: string, { version, sealed }: StoredVersion): Uint8Array => {
    try {
      return openEnvelope(oldKey, contextOf(name, version), Buffer.from(sealed, 'base64'));
    } catch {
      throw new HoldfastError(
        'engine_unavailable',
        `The secret ${name}@${String(version)} opens with neither master key, so nothing was changed. Set it again, or remove it.`,
      );
    }
  };

  const prepared = (name: string, stored: StoredVersion): StoredVersion => {
    const context = contextOf(name, stored.version);
    // Back to the key that seals it: a `next` that an earlier run prepared for another one must not take its place.
    const { next: _other, ...rest } = stored;
    if (isNew(context, stored.sealed)) return rest;
    // From an earlier run that was cut short; a `next` of some other key is replaced.
    if (stored.next !== undefined && isNew(context, stored.next)) return stored;
    const next = sealEnvelope(newKey, context, openOld(name, stored));
    return { ...stored, next: Buffer.from(next).toString('base64') };
  };

  return {
    prepare: () => change(prepared),
    finish: () =>
      change((name, stored) => {
        // One that was set since the first step, too.
        const { next, ...rest } = prepared(name, stored);
        return { ...rest, sealed: next ?? rest.sealed };
      }),
  };
}
