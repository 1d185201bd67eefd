/** Who is calling: from the key in the request to a principal. */
import { timingSafeEqual } from 'node:crypto';
import type { Principal } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import { DEFAULT_TENANT, type Settings } from '../core/settings.ts';
import { hashVirtualKey } from '../ledger/virtual-key.ts';

export interface Caller extends Principal {
  roles: readonly string[];
}

export interface Authenticator {
  /** @throws HoldfastError `unauthenticated`. */
  authenticate(presented: string | null): Promise<Caller>;
}

/** Keys of ours begin so; another key on an open gateway is an SDK's placeholder. */
const KEY_PREFIX = 'hk_';

const OPEN_CALLER: Caller = { tenant: DEFAULT_TENANT, key: null, models: null, roles: ['caller', 'admin'] };

export function createAuthenticator(
  settings: Settings,
  ledger: Pick<Ledger, 'findKey'>,
  required: boolean,
  now: () => number = Date.now,
): Authenticator {
  const configured = settings.keys.map((key) => ({ ...key, digest: Buffer.from(key.hash) }));
  return {
    async authenticate(presented) {
      if (!presented?.startsWith(KEY_PREFIX)) {
        if (!required) return OPEN_CALLER;
        throw new HoldfastError(
          'unauthenticated',
          presented
            ? 'The key is not one of this gateway.'
            : 'A key is required: send it as `Authorization: Bearer` or `x-api-key`.',
        );
      }
      const hash = hashVirtualKey(presented);
      const digest = Buffer.from(hash);
      const entry =
        configured.find((key) => key.digest.length === digest.length && timingSafeEqual(key.digest, digest)) ??
        (await ledger.findKey(hash));
      if (!entry) throw new HoldfastError('unauthenticated', 'The key is unknown.');
      if ('revokedAt' in entry && entry.revokedAt !== null)
        throw new HoldfastError('unauthenticated', 'The key was revoked.');
      if (entry.expiresAt !== null && Date.parse(entry.expiresAt) <= now()) {
        throw new HoldfastError('unauthenticated', 'The key has expired.');
      }
      const { tenant, name: key, models, roles, team } = entry;
      return { tenant, key, models, roles, ...(team !== null && { team }) };
    },
  };
}
