/** The failure of a provider that answered with success but not with what its wire promises. */
import { ProviderFailureError } from '../core/ports/provider.ts';
import { redactProviderMessage } from './redact-provider-message.ts';

/** Retryable: a broken 200 body is a fault of that one answer, as a 5xx would be. */
export function brokenAnswer(message: string): ProviderFailureError {
  return new ProviderFailureError({
    code: 'provider_unavailable',
    message: redactProviderMessage(message),
    retryable: true,
    failOver: true,
  });
}
