/** From a reference in the configuration to the secret, at the moment of dispatch. */
import { HoldfastError } from '../core/errors.ts';
import type { SecretStore } from '../core/ports/secret-store.ts';
import { parseCredentialReference } from './credential-reference.ts';
import { SecretValue } from './secret-value.ts';

/** The environment does not count versions: a variable is always version 1, whatever it holds. */
const ENV_VERSION = 1;

export interface ResolvedCredential {
  /** `env:OPENAI_API_KEY`, or the name in the secret store. Stands in attempts as `name@version`. */
  name: string;
  version: number;
  value: SecretValue;
  /** The secret in the clear, for the one header it goes into. */
  reveal(): string;
}

/** @throws HoldfastError `provider_auth` when there is no such secret, `invalid_request` for a malformed reference. */
export type ResolveCredential = (reference: string) => Promise<ResolvedCredential>;

export interface CredentialResolverOptions {
  secrets: SecretStore;
  /** Default `process.env`, read at each resolution. */
  env?: Readonly<Record<string, string | undefined>>;
}

export function createCredentialResolver({ secrets, env = process.env }: CredentialResolverOptions): ResolveCredential {
  return async (reference) => {
    const { source, name } = parseCredentialReference(reference);
    if (source === 'env') {
      const value = env[name]?.trim();
      if (!value)
        throw missing(
          `The environment variable ${name} is not set. Set it, or store a secret and refer to secret:${name}`,
          name,
        );
      return resolved(`env:${name}`, ENV_VERSION, value);
    }
    const secret = await secrets.resolve(name);
    if (!secret) throw missing(`There is no secret named ${name}. Store it`, name);
    return resolved(name, secret.version, secret.value);
  };
}

function resolved(name: string, version: number, secret: string): ResolvedCredential {
  const value = new SecretValue(secret);
  return { name, version, value, reveal: () => value.reveal() };
}

function missing(what: string, name: string): HoldfastError {
  return new HoldfastError('provider_auth', `${what}: holdfast secrets set ${name}`, { source: 'gateway' });
}
