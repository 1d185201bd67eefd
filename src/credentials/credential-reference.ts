import { HoldfastError } from '../core/errors.ts';

/** Where a credential is found: an environment variable, or a name in the secret store. */
export type CredentialReference = { source: 'env' | 'secret'; name: string };

const REFERENCE = /^(env|secret):([A-Za-z_][A-Za-z0-9_.-]{0,127})$/;

/**
 * Reads `env:NAME` or `secret:NAME`.
 * @throws HoldfastError `invalid_request`. It does not repeat the text: that may be the secret itself.
 */
export function parseCredentialReference(text: string): CredentialReference {
  const [, source, name] = REFERENCE.exec(text) ?? [];
  if ((source === 'env' || source === 'secret') && name !== undefined) return { source, name };
  throw new HoldfastError(
    'invalid_request',
    'A credential is given as env:NAME or secret:NAME, never as the secret itself. ' +
      'Store it with `holdfast secrets set NAME` and write secret:NAME.',
    { param: 'apiKey' },
  );
}
