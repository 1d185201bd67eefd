/** Attempts whose outcome was lost and whose call has ended: what the provider says that they cost. */
import { HoldfastError } from '../core/errors.ts';
import type { UnknownAttempt } from '../core/ports/ledger/attempts.ts';
import type { ProviderSettings } from '../core/settings.ts';
import { parseStoredRequest } from '../ledger/stored-request.ts';
import type { AttemptDeps } from './attempt-deps.ts';
import { chargeSafely } from './charge-safely.ts';
import { isGone, lookUpKept, madeBy, stopAtProvider } from './kept-answer.ts';
import { resolveCredential } from './resolve-credential.ts';

/**
 * Asks the provider, and books what it says.
 * @returns `open` where it cannot be asked, or does not know yet; `abandoned` where it never will: the hold is booked then.
 */
export async function settleUnknown(
  deps: AttemptDeps,
  unknown: UnknownAttempt,
): Promise<'reconciled' | 'abandoned' | 'open'> {
  const { lease, model, responseId, requestRef } = unknown;
  const provider = providerOf(deps, unknown.provider);
  const adapter = provider && deps.adapters.get(provider.kind);
  if (!provider || !adapter?.kept || requestRef === null) return 'open';
  const bytes = await deps.payloads.get(requestRef);
  const request = bytes && parseStoredRequest(bytes);
  if (!request || !adapter.kept.isKept(request, responseId)) return 'open';
  const credential = await resolveCredential(deps, provider.apiKey);
  const kept = { provider, adapter, kept: adapter.kept, responseId, secret: credential.reveal?.() };
  const asked = await lookUpKept(deps, kept);
  if (asked.status === 'failed' && !isGone(asked.failure)) return 'open';
  if (asked.status === 'answered' && asked.value.state === 'pending') {
    // Nobody waits for it any more, and whoever told it to stop was not heard.
    await stopAtProvider(deps, kept);
    return 'open';
  }
  const made = asked.status === 'answered' ? madeBy(asked.value) : 'unknown';
  if (made === 'unknown') {
    return (await deps.ledger.abandonAttempt(lease.callId, lease.attempt)) ? 'abandoned' : 'open';
  }
  const charge = made && chargeSafely(deps, provider, model, request, made);
  return (await deps.ledger.reconcileUnknown(lease, charge)) ? 'reconciled' : 'open';
}

/** Null for one that the configuration lacks by now. */
function providerOf(deps: AttemptDeps, name: string): ProviderSettings | null {
  try {
    return deps.providerNamed(name);
  } catch (error) {
    if (HoldfastError.is(error)) return null;
    throw error;
  }
}
