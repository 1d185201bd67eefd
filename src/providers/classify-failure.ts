/**
 * What may be done after a provider's failure, by its status and its words. The table is the same for all providers;
 * each provider's `map-failure.ts` finds the words in its own error body.
 */
import type { ProviderFailure } from '../core/ports/provider.ts';
import { redactProviderMessage } from './redact-provider-message.ts';
import type { ResponseHeaders } from './retry-after.ts';
import { headerValue, retryAfterMs, shouldRetryHeader } from './retry-after.ts';

export interface FailureFacts {
  status: number;
  headers: ResponseHeaders;
  message: string;
  /** The provider's own words for the failure: `error.code`, `error.type`, `error.status`, ... */
  words: readonly string[];
  /** Where the body says how long to wait (Gemini's RetryInfo); headers come first. */
  bodyRetryAfterMs?: number | undefined;
}

type Verdict = Pick<ProviderFailure, 'code' | 'retryable' | 'failOver'>;

const CONTEXT_WORDS = new Set(['context_length_exceeded', 'context_window_exceeded', 'string_above_max_length']);
const CONTEXT_MESSAGE =
  /context length|context window|context_length|prompt is too long|too many (?:input )?tokens|token count .{0,80}exceeds|maximum number of tokens allowed|exceed context limit/i;
const BLOCKED_WORDS = new Set([
  'content_filter',
  'content_policy_violation',
  'content_blocked',
  'responsibleaipolicyviolation',
  'moderation_blocked',
]);
const AUTH_WORDS = new Set(['api_key_invalid', 'invalid_api_key', 'authentication_error']);
const QUOTA_WORDS = new Set([
  'insufficient_quota',
  'billing_error',
  'billing_hard_limit_reached',
  'billing_not_active',
  'insufficient_credits',
  'contract_spend_limit_reached',
  'enforced_spend_limit_reached',
]);
const QUOTA_MESSAGE = /credit balance is too low|insufficient (?:credits|balance|funds)/i;

export function classifyFailure(facts: FailureFacts): ProviderFailure {
  const verdict = judge(facts);
  const askedMs = retryAfterMs(facts.headers, answeredAtMs(facts.headers)) ?? facts.bodyRetryAfterMs;
  // An account without money has nothing to wait for.
  const waitMs = verdict.code === 'provider_quota' ? undefined : askedMs;
  const message = redactProviderMessage(
    facts.message.trim() || `The provider answered status ${String(facts.status)}.`,
  );
  return {
    ...verdict,
    retryable: shouldRetryHeader(facts.headers) ?? verdict.retryable,
    message,
    status: facts.status,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  };
}

function judge({ status, message, words }: FailureFacts): Verdict {
  const says = (known: ReadonlySet<string>) => words.some((word) => known.has(word.toLowerCase()));
  const isRejection = status >= 400 && status < 500 && status !== 401 && status !== 403 && status !== 429;

  if (isRejection && (says(CONTEXT_WORDS) || CONTEXT_MESSAGE.test(message))) {
    return { code: 'context_too_long', retryable: false, failOver: true };
  }
  // Another provider is not asked: shopping blocked content around is not ours to decide.
  if (status < 500 && says(BLOCKED_WORDS)) return { code: 'content_blocked', retryable: false, failOver: false };
  if (status === 402 || (status < 500 && (says(QUOTA_WORDS) || QUOTA_MESSAGE.test(message)))) {
    return { code: 'provider_quota', retryable: false, failOver: true };
  }
  if (status < 500 && status !== 429 && says(AUTH_WORDS)) return judgeStatus(401);
  return judgeStatus(status);
}

function judgeStatus(status: number): Verdict {
  if (status === 401 || status === 403) return { code: 'provider_auth', retryable: false, failOver: true };
  if (status === 429) return { code: 'provider_rate_limited', retryable: true, failOver: true };
  if (status === 408 || status === 504) return { code: 'provider_timeout', retryable: true, failOver: true };
  if (status === 409 || status >= 500) return { code: 'provider_unavailable', retryable: true, failOver: true };
  if (status === 404) return { code: 'provider_rejected', retryable: false, failOver: true };
  if (status >= 400) return { code: 'provider_rejected', retryable: false, failOver: false };
  // A redirect or another status that no API call should get: a wrong base URL, most likely.
  return { code: 'provider_unavailable', retryable: false, failOver: true };
}

/** By the provider's own clock where it says so: then a date in `retry-after` is right whatever our clock shows. */
function answeredAtMs(headers: ResponseHeaders): number {
  const date = Date.parse(headerValue(headers, 'date') ?? '');
  return Number.isNaN(date) ? Date.now() : date;
}
