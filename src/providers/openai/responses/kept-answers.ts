/**
 * What OpenAI keeps: responses made in the background (`GET /responses/{id}`), and chat completions that were asked for
 * with `store: true` (`GET /chat/completions/{id}`). The id says which of the two it is.
 * https://platform.openai.com/docs/guides/background
 */
import type { KeptAnswer, KeptAnswerQuery, KeptAnswers, ProviderQuery } from '../../../core/ports/provider.ts';
import { brokenAnswer } from '../../broken-answer.ts';
import { parseJsonObject } from '../../read-json.ts';
import { readCompletion } from '../decode-answer.ts';
import { holdsError, openAiErrorEvent } from '../map-failure.ts';
import { readResponse } from './decode-response.ts';
import { carries, encodeStart } from './encode-start.ts';
import { EVENT_STREAM, responseHeaders } from './response-headers.ts';
import { createResponseStreamDecoder } from './stream-decoder.ts';

const RESPONSE_ID = /^resp_/;

export const openAiKeptAnswers: KeptAnswers = {
  wire: 'openai-responses',
  carries,
  encodeStart,
  isKept: ({ wire, body }, responseId) =>
    RESPONSE_ID.test(responseId) || (wire === 'openai-chat' && body.store === true),
  encodeFollow(query, after): ProviderQuery {
    const start = after === null ? '' : `&starting_after=${String(after)}`;
    return { method: 'GET', url: `${urlOf(query)}?stream=true${start}`, headers: responseHeaders(query, EVENT_STREAM) };
  },
  createStreamDecoder: createResponseStreamDecoder,
  encodeRetrieve: (query) => ({ method: 'GET', url: urlOf(query), headers: responseHeaders(query) }),
  encodeCancel(query): ProviderQuery | null {
    if (!RESPONSE_ID.test(query.responseId)) return null;
    return { method: 'POST', url: `${urlOf(query)}/cancel`, headers: responseHeaders(query) };
  },
  decode: decodeKept,
};

function urlOf({ baseUrl, responseId }: KeptAnswerQuery): string {
  const collection = RESPONSE_ID.test(responseId) ? 'responses' : 'chat/completions';
  return `${baseUrl}/${collection}/${encodeURIComponent(responseId)}`;
}

function decodeKept(bodyText: string): KeptAnswer {
  const body = parseJsonObject(bodyText);
  if (body === undefined) throw brokenAnswer('The provider answered 200 with a body that is not a JSON object.');
  if (body.object === 'response') return readResponse(body);
  if (holdsError(body)) throw openAiErrorEvent(body.error ?? null);
  if (!Array.isArray(body.choices) || body.choices.length === 0) {
    throw brokenAnswer('The provider answered 200 without `choices`.');
  }
  const answer = readCompletion(body);
  return { state: 'answered', responseId: answer.responseId ?? '', answer };
}
