import type { AttemptCharge } from '../core/ports/ledger/attempts.ts';
import type { CallRequest, ProviderAnswer } from '../core/ports/provider.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { AttemptDeps } from './attempt-deps.ts';

/** The charge of an answer. Whatever a provider reports, an answer that is paid for must be recorded: at worst unpriced. */
export function chargeSafely(
  deps: Pick<AttemptDeps, 'charge' | 'onDefect'>,
  provider: ProviderSettings,
  model: string,
  request: CallRequest,
  answer: ProviderAnswer,
): AttemptCharge {
  try {
    return deps.charge(provider, model, request, answer);
  } catch (error) {
    deps.onDefect(error);
    return {
      usage: answer.usage,
      rawUsage: answer.rawUsage,
      costNanoUsd: null,
      pricing: 'unpriced',
      catalogue: null,
      serviceTier: answer.serviceTier,
    };
  }
}
