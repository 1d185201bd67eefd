/** OpenAI's wire as the doors speak it: `/v1/chat/completions` and `/v1/embeddings`. */
import { HoldfastError } from '../../core/errors.ts';
import type { CallRequest, DoorWire } from '../../core/ports/provider.ts';
import { stringAt } from '../read-json.ts';
import { encodeOpenAiAnswer } from './encode-answer.ts';
import { parseChatRequest } from './parse-chat-request.ts';
import { parseEmbeddingsRequest } from './parse-embeddings-request.ts';
import { createOpenAiStreamEncoder } from './stream-encoder.ts';

export const openaiChatDoor: DoorWire = {
  wire: 'openai-chat',
  parseRequest: parseChatRequest,
  endUser,
  toCanonical: (request) => ({ request: request.body, warnings: [] }),
  encodeAnswer: encodeOpenAiAnswer,
  createStreamEncoder: createOpenAiStreamEncoder,
};

/** The canonical form of an embeddings request is that request; its answers stand on no other wire. */
export const openaiEmbeddingsDoor: DoorWire = {
  wire: 'openai-embeddings',
  parseRequest: parseEmbeddingsRequest,
  endUser,
  toCanonical: (request) => ({ request: request.body, warnings: [] }),
  encodeAnswer(answer) {
    if (answer.wire === 'openai-embeddings') return answer.body;
    throw new HoldfastError('invalid_request', `An answer of kind ${answer.wire} holds no embeddings.`);
  },
  createStreamEncoder() {
    throw new HoldfastError('invalid_request', 'Embeddings cannot be streamed.', { param: 'stream' });
  },
};

/** `user` is the older field of the two; both name who the answer is for. */
function endUser({ body }: CallRequest): string | null {
  return stringAt(body, 'user') || stringAt(body, 'safety_identifier') || null;
}
