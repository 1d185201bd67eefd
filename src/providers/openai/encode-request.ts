/** A request for OpenAI's own wire: its own wire passes untouched but for `model` and the streaming fields. */
import { HoldfastError } from '../../core/errors.ts';
import type { ConversionWarning } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import type { EncodedRequest, EncodeInput } from '../../core/ports/provider.ts';
import { requestHeaders } from '../request-headers.ts';
import { toCanonical } from '../to-canonical.ts';

export interface OpenAiFlavour {
  /** The field that bounds the output where the caller did not choose it: `max_tokens` is deprecated at OpenAI, and all that others know. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens';
}

export function encodeOpenAiRequest(input: EncodeInput, flavour: OpenAiFlavour): EncodedRequest {
  const { request, baseUrl } = input;
  const warnings: ConversionWarning[] = [];
  const headers = requestHeaders(
    input,
    'openai-chat',
    input.secret === undefined ? {} : { authorization: `Bearer ${input.secret}` },
  );
  if (request.wire === 'openai-embeddings') {
    const body = JSON.stringify({ ...request.body, model: input.model });
    return { url: `${baseUrl}/embeddings`, headers, body, warnings };
  }
  let body = request.body;
  if (request.wire !== 'openai-chat') {
    const canonical = toCanonical(request);
    warnings.push(...canonical.warnings);
    body = dropExtensions(renameMaxTokens(canonical.request, flavour), warnings);
  }
  if (request.outputBound !== undefined) {
    body = renameMaxTokens({ ...body, max_completion_tokens: request.outputBound }, flavour);
  }
  return {
    url: `${baseUrl}/chat/completions`,
    headers,
    body: JSON.stringify(withStreaming({ ...body, model: input.model }, request.stream)),
    warnings,
  };
}

/** Usage is always asked for: without it a stream cannot be billed. The door strips it again for callers who did not ask. */
function withStreaming(body: JsonObject, stream: boolean): JsonObject {
  if (stream) {
    const options = isJsonObject(body.stream_options) ? body.stream_options : {};
    return { ...body, stream: true, stream_options: { ...options, include_usage: true } };
  }
  const { stream: asked, stream_options: _withoutStream, ...rest } = body;
  return asked === false ? { ...rest, stream: false } : rest;
}

function renameMaxTokens(body: JsonObject, flavour: OpenAiFlavour): JsonObject {
  const { max_tokens, max_completion_tokens, ...rest } = body;
  const limit = max_completion_tokens ?? max_tokens;
  return limit === undefined ? rest : { ...rest, [flavour.maxTokensField]: limit };
}

/** OpenAI refuses fields it does not know, and another provider's proof of reasoning means nothing to it. */
function dropExtensions(body: JsonObject, warnings: ConversionWarning[]): JsonObject {
  if (!Array.isArray(body.messages)) return body;
  const messages = body.messages.map((message, index) => {
    if (!isJsonObject(message)) return message;
    const { reasoning_content, reasoning_signature, ...rest } = message;
    if (reasoning_content !== undefined || reasoning_signature !== undefined) {
      warnings.push({
        path: `messages[${String(index)}]`,
        message: 'Reasoning of earlier turns is not sent to this provider.',
      });
    }
    return rest;
  });
  return { ...body, messages };
}

/** Embeddings stand on OpenAI's wire only. @throws HoldfastError `capability_missing` */
export function refuseEmbeddings(input: EncodeInput, kind: string): void {
  if (input.request.wire !== 'openai-embeddings') return;
  throw new HoldfastError(
    'capability_missing',
    `Providers of kind ${kind} give no embeddings. Choose a target of kind openai or openai-compatible.`,
    { param: 'model', details: { capability: 'embeddings' } },
  );
}
