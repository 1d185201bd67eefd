/** Named secrets in `<home>/secrets.json`, each version sealed in an envelope of its own. Safe under several processes. */
import { readFileSync } from 'node:fs';
import { HoldfastError } from '../../core/errors.ts';
import type { ResolvedSecret, SecretMetadata, SecretStore } from '../../core/ports/secret-store.ts';
import { deriveKey } from '../crypto/derive-key.ts';
import { openEnvelope, sealEnvelope } from '../crypto/envelope.ts';
import { withFileLock } from './file-lock.ts';
import { formatSecrets, parseSecrets } from './secrets-document.ts';
import type { Secrets, StoredVersion } from './secrets-document.ts';
import { writeFileAtomic } from './write-file-atomic.ts';

/** `__proto__` is no name: JSON readers lose it. */
const NAME = /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

export interface EncryptedSecretFileOptions {
  /** Such as `<home>/secrets.json`; its folder must exist. */
  path: string;
  masterKey: Uint8Array;
  /** Unix milliseconds; default `Date.now`. */
  clock?: () => number;
}

export function createEncryptedSecretFile(options: EncryptedSecretFileOptions): SecretStore {
  const { path, clock = Date.now } = options;
  const wrappingKey = deriveKey(options.masterKey, 'secrets');

  // Read anew each time: another process may have set a new version.
  const read = () => readSecrets(path);

  const change = <T>(edit: (secrets: Secrets) => T): T =>
    withFileLock(`${path}.lock`, () => {
      const secrets = read();
      const result = edit(secrets);
      writeFileAtomic(path, formatSecrets(secrets));
      return result;
    });

  const openVersion = (context: string, { sealed, next }: StoredVersion): Uint8Array => {
    try {
      return openEnvelope(wrappingKey, context, Buffer.from(sealed, 'base64'));
    } catch (error) {
      // A change of the master key was cut short, or is under way: ours may be the new one.
      if (next === undefined) throw error;
      return openEnvelope(wrappingKey, context, Buffer.from(next, 'base64'));
    }
  };

  const unseal = (name: string, stored: StoredVersion): ResolvedSecret => {
    try {
      const value = openVersion(contextOf(name, stored.version), stored);
      return { ...metadataOf(name, stored), value: Buffer.from(value).toString('utf8') };
    } catch {
      throw new HoldfastError(
        'provider_auth',
        `The secret ${name}@${String(stored.version)} does not decrypt: ${path} was changed, or the master key is not ` +
          `the one it was stored with. Put the right master key back, or run: holdfast secrets set ${name}`,
        { source: 'gateway' },
      );
    }
  };

  return {
    // eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous for remote stores
    async resolve(name, version) {
      const versions = read().get(name)?.versions ?? [];
      const stored = version === undefined ? versions.at(-1) : versions.find((known) => known.version === version);
      return stored ? unseal(name, stored) : null;
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- as above
    async list() {
      return [...read()].flatMap(([name, { versions }]) => {
        const newest = versions.at(-1);
        return newest ? [metadataOf(name, newest)] : [];
      });
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- as above
    async set(name, value) {
      checkNameAndValue(name, value);
      return change((secrets) => {
        const secret = secrets.get(name) ?? { lastVersion: 0, versions: [] };
        const version = secret.lastVersion + 1;
        const sealed = sealEnvelope(wrappingKey, contextOf(name, version), Buffer.from(value));
        const stored: StoredVersion = {
          version,
          createdAt: new Date(clock()).toISOString(),
          sealed: Buffer.from(sealed).toString('base64'),
        };
        secrets.set(name, { lastVersion: version, versions: [...secret.versions, stored] });
        return metadataOf(name, stored);
      });
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- as above
    async remove(name) {
      return change((secrets) => {
        const secret = secrets.get(name);
        if (!secret || secret.versions.length === 0) return false;
        secrets.set(name, { ...secret, versions: [] });
        return true;
      });
    },
  };
}

export function readSecrets(path: string): Secrets {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
  return parseSecrets(text, path);
}

export function contextOf(name: string, version: number): string {
  return `secret/${name}@${String(version)}`;
}

function metadataOf(name: string, stored: StoredVersion): SecretMetadata {
  return { name, version: stored.version, createdAt: stored.createdAt, origin: 'file' };
}

function checkNameAndValue(name: string, value: string): void {
  if (!NAME.test(name)) {
    const message = 'A secret is named by 1 to 128 letters, digits, "_", "." or "-", beginning with a letter or "_".';
    throw new HoldfastError('invalid_request', message, { param: 'name' });
  }
  if (value === '') throw new HoldfastError('invalid_request', 'A secret must not be empty.', { param: 'value' });
}
