import { HoldfastError } from '../core/errors.ts';
import type { AttemptDeps } from './attempt-deps.ts';

export interface Credential {
  /** `name@version` as it stands in the attempt; null without a credential. */
  label: string | null;
  reveal?: () => string;
  error?: HoldfastError;
}

/** The secret as of now. That there is none is a result: the attempt's row has to show it. */
export async function resolveCredential(
  deps: Pick<AttemptDeps, 'resolveCredential'>,
  reference: string | null,
): Promise<Credential> {
  if (reference === null) return { label: null };
  try {
    const { name, version, reveal } = await deps.resolveCredential(reference);
    return { label: `${name}@${String(version)}`, reveal };
  } catch (error) {
    if (HoldfastError.is(error)) return { label: null, error };
    throw error;
  }
}
