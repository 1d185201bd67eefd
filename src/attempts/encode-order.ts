/** An order as the bytes of its provider's wire. */
import type { AttemptOrder } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { AttemptLease } from '../core/ports/ledger/attempts.ts';
import type { CallRequest, EncodedRequest, ProviderAdapter } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { AttemptDeps } from './attempt-deps.ts';

export interface DispatchedAttempt {
  order: AttemptOrder;
  provider: ProviderSettings;
  request: CallRequest;
  secret: string | undefined;
  lease: AttemptLease;
}

export function adapterOf(deps: AttemptDeps, provider: ProviderSettings): ProviderAdapter {
  const adapter = deps.adapters.get(provider.kind);
  if (adapter) return adapter;
  throw new HoldfastError('capability_missing', `This build has no provider kind ${provider.kind}.`);
}

/** @throws HoldfastError `capability_missing` when the request cannot be said in this provider's wire. */
export function encodeOrder(
  adapter: ProviderAdapter,
  { order, provider, request, secret }: Omit<DispatchedAttempt, 'lease'>,
): EncodedRequest {
  const { model, background } = order.candidate;
  const input = { request, model, baseUrl: provider.baseUrl, secret, headers: provider.headers };
  if (!background) return adapter.encode(input);
  if (adapter.kept) return adapter.kept.encodeStart(input);
  throw new HoldfastError('capability_missing', `Providers of kind ${adapter.kind} have no background mode.`);
}
