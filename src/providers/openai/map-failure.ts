/** `{"error": {message, type, param, code}}`, as OpenAI and most compatible servers give it, classified. */
import type { Json, JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import type { ProviderFailure } from '../../core/ports/provider.ts';
import { ProviderFailureError } from '../../core/ports/provider.ts';
import type { FailureFacts } from '../classify-failure.ts';
import { classifyFailure } from '../classify-failure.ts';
import { parseJsonObject, stringAt } from '../read-json.ts';
import type { ResponseHeaders } from '../retry-after.ts';

/** What an error inside a 2xx stream would have been as a status, by its own words. */
const STATUS_BY_WORD: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  invalid_api_key: 401,
  permission_error: 403,
  not_found_error: 404,
  model_not_found: 404,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
};

export function mapOpenAiFailure(status: number, headers: ResponseHeaders, bodyText: string): ProviderFailure {
  const body = parseJsonObject(bodyText);
  const error = body?.error ?? body?.detail ?? body?.message;
  return classifyFailure({ status, headers, ...readError(error, bodyText) });
}

/** An error object inside a stream or a 2xx body, as an error to throw. */
export function openAiErrorEvent(error: Json): ProviderFailureError {
  const facts = readError(error, '');
  const status = Number(facts.words.find((word) => /^[45]\d\d$/.test(word)) ?? statusOf(facts.words));
  return new ProviderFailureError(classifyFailure({ status, headers: {}, ...facts }));
}

function readError(error: Json | undefined, bodyText: string): Pick<FailureFacts, 'message' | 'words'> {
  if (!isJsonObject(error)) return { message: typeof error === 'string' ? error : bodyText, words: [] };
  const inner = error.innererror;
  const words = [error.code, error.type, error.status, isJsonObject(inner) ? inner.code : undefined];
  return {
    message: stringAt(error, 'message') ?? '',
    words: words.filter((word) => typeof word === 'string' || typeof word === 'number').map(String),
  };
}

function statusOf(words: readonly string[]): number {
  for (const word of words) {
    const status = Object.hasOwn(STATUS_BY_WORD, word) ? STATUS_BY_WORD[word] : undefined;
    if (status !== undefined) return status;
  }
  return 500;
}

/** True when a body that came with a success status is an error after all. */
export function holdsError(body: JsonObject): boolean {
  return body.error !== undefined && body.error !== null;
}
