/** Anthropic's wire as the doors speak it: `/v1/messages`. */
import type { DoorWire } from '../../core/ports/provider.ts';
import { objectAt, stringAt } from '../read-json.ts';
import { encodeAnthropicAnswer } from './encode-answer.ts';
import { parseAnthropicRequest } from './parse-request.ts';
import { anthropicToCanonical } from './request-to-canonical.ts';
import { createAnthropicStreamEncoder } from './stream-encoder.ts';

export const anthropicMessagesDoor: DoorWire = {
  wire: 'anthropic-messages',
  parseRequest: parseAnthropicRequest,
  endUser: ({ body }) => stringAt(objectAt(body, 'metadata'), 'user_id') || null,
  toCanonical: (request) => anthropicToCanonical(request.body),
  encodeAnswer: encodeAnthropicAnswer,
  createStreamEncoder: createAnthropicStreamEncoder,
};
