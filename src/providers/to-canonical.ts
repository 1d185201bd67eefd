/** A request of any door's wire as canonical chat. */
import type { ConversionWarning } from '../core/chat.ts';
import { HoldfastError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { anthropicToCanonical } from './anthropic/request-to-canonical.ts';

export interface CanonicalRequest {
  request: JsonObject;
  warnings: ConversionWarning[];
}

export function toCanonical(request: CallRequest): CanonicalRequest {
  switch (request.wire) {
    case 'openai-chat':
    case 'openai-embeddings':
      return { request: request.body, warnings: [] };
    case 'anthropic-messages':
      return anthropicToCanonical(request.body);
    case 'gemini-generate':
    case 'openai-responses':
      throw new HoldfastError(
        'invalid_request',
        `Requests on the wire ${request.wire} can only go to a provider of that wire.`,
      );
  }
}
