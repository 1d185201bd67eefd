/** OpenAI's wire as the mock provider writes it: on its own, not with our codecs. */
import type { ServerResponse } from 'node:http';
import type { Answer } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';

export function headOf({ nonce, nth }: ProviderRequest, object: string) {
  return { id: `chatcmpl-${nonce}.${String(nth)}`, object, created: 1_700_000_000, model: 'chaos-1' };
}

export function usageOf({ inputTokens, outputTokens }: Answer) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
