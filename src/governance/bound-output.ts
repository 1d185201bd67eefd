import type { CallRequest } from '../core/ports/provider.ts';
import type { Settings } from '../core/settings.ts';

/**
 * The request with the model's `maxOutputTokens`, where it bounds the output itself neither way: the hold assumes that
 * bound, so the provider must be held to it: `outputBound` has each adapter say it in the field its provider heeds. Requests in Anthropic's wire always carry one.
 */
export function boundOutput(settings: Pick<Settings, 'models'>, request: CallRequest): CallRequest {
  const { wire, body } = request;
  if (wire !== 'openai-chat' || typeof body['model'] !== 'string') return request;
  const bound = settings.models.get(body['model'])?.maxOutputTokens ?? null;
  const asked = body['max_completion_tokens'] ?? body['max_tokens'];
  if (bound === null || asked != null) return request;
  return { ...request, body: { ...body, max_completion_tokens: bound }, outputBound: bound };
}
