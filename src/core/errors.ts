/**
 * The one catalogue of errors. The class of an error says what the engine does next; its `code` is stable, equals the
 * type of the Temporal failure it travels in, and is what users match on.
 */
import type { JsonObject } from './json.ts';

export interface ErrorEntry {
  /** HTTP status at the doors. `provider_rejected` overrides it with the provider's own 4xx. */
  readonly status: number;
  /** What `x-should-retry` tells an SDK. False wherever the engine already retried, or a repeat cannot help. */
  readonly sdkMayRetry: boolean;
  /** `error.type` in OpenAI-shaped bodies. */
  readonly openaiType: string;
  /** `error.type` in Anthropic-shaped bodies: Anthropic's own names. */
  readonly anthropicType: string;
  readonly meaning: string;
  readonly remedy: string;
}

export const errorTable = {
  invalid_request: {
    status: 400,
    sdkMayRetry: false,
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    meaning: 'The request is malformed, too large, or has a value out of range.',
    remedy: 'Correct the field that the message names.',
  },
  content_blocked: {
    status: 400,
    sdkMayRetry: false,
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    meaning: 'The content holds something that policy keeps from leaving, such as a secret.',
    remedy: 'Remove the content that the message names, or change the policy.',
  },
  capability_missing: {
    status: 400,
    sdkMayRetry: false,
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    meaning: 'No target of the model can do what the request asks for.',
    remedy: 'Choose a model that has the named capability.',
  },
  context_too_long: {
    status: 400,
    sdkMayRetry: false,
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    meaning: 'The prompt and the asked-for output exceed the context window.',
    remedy: 'Shorten the prompt or choose a model with a larger window.',
  },
  unauthenticated: {
    status: 401,
    sdkMayRetry: false,
    openaiType: 'authentication_error',
    anthropicType: 'authentication_error',
    meaning: 'The key is missing, unknown, expired or revoked.',
    remedy: 'Send a valid key as `Authorization: Bearer` or `x-api-key`.',
  },
  budget_exceeded: {
    status: 402,
    sdkMayRetry: false,
    openaiType: 'budget_exceeded',
    anthropicType: 'billing_error',
    meaning: 'A hard budget has no room for the worst case of this call, or none is known.',
    remedy:
      'Wait for `resetsAt`, raise the budget, or bound the output lower. Where no worst case is known, waiting does not help: the message says what would.',
  },
  permission_denied: {
    status: 403,
    sdkMayRetry: false,
    openaiType: 'permission_denied',
    anthropicType: 'permission_error',
    meaning: 'A policy does not allow this call for this principal.',
    remedy: 'Use an allowed model, or ask for the permission; the decision id names the decision.',
  },
  not_found: {
    status: 404,
    sdkMayRetry: false,
    openaiType: 'invalid_request_error',
    anthropicType: 'not_found_error',
    meaning: 'There is no such model, call or resource.',
    remedy: 'List what exists, for example with `holdfast models`.',
  },
  idempotency_conflict: {
    status: 422,
    sdkMayRetry: false,
    openaiType: 'idempotency_error',
    anthropicType: 'invalid_request_error',
    meaning: 'The idempotency key was used before with another body.',
    remedy: 'Use a new key for a new request.',
  },
  cancelled: {
    status: 499,
    sdkMayRetry: false,
    openaiType: 'cancelled',
    anthropicType: 'api_error',
    meaning: 'The call was cancelled before it ended.',
    remedy: 'Start it again if it is still wanted.',
  },
  provider_rejected: {
    status: 400,
    sdkMayRetry: false,
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    meaning: 'The provider refused the request itself; another try would be refused too.',
    remedy: "Correct what the provider's message names.",
  },
  rate_limited: {
    status: 429,
    sdkMayRetry: true,
    openaiType: 'rate_limit_error',
    anthropicType: 'rate_limit_error',
    meaning: 'A limit of this gateway on requests, tokens or concurrency is reached.',
    remedy: 'Retry after the time in `Retry-After`.',
  },
  provider_rate_limited: {
    status: 429,
    sdkMayRetry: true,
    openaiType: 'rate_limit_error',
    anthropicType: 'rate_limit_error',
    meaning: 'Every candidate was rate limited by its provider, beyond what policy lets us wait.',
    remedy: 'Retry after the time in `Retry-After`, or add a target.',
  },
  provider_auth: {
    status: 502,
    sdkMayRetry: false,
    openaiType: 'api_error',
    anthropicType: 'api_error',
    meaning: "The provider refused the gateway's credential.",
    remedy: 'Replace the credential: `holdfast secrets set`.',
  },
  provider_quota: {
    status: 502,
    sdkMayRetry: false,
    openaiType: 'api_error',
    anthropicType: 'api_error',
    meaning: 'The provider account behind the credential has no quota left.',
    remedy: 'Top up the account or add a target.',
  },
  provider_unavailable: {
    status: 502,
    sdkMayRetry: false,
    openaiType: 'api_error',
    anthropicType: 'overloaded_error',
    meaning: 'The provider could not be reached, failed, or answered something broken.',
    remedy: 'Look at the attempts of the call; add a target to fail over to.',
  },
  provider_timeout: {
    status: 504,
    sdkMayRetry: false,
    openaiType: 'timeout_error',
    anthropicType: 'timeout_error',
    meaning: 'The provider or the whole call took longer than its timeout.',
    remedy: 'Raise the timeout of the model or bound the output lower.',
  },
  outcome_unknown: {
    status: 502,
    sdkMayRetry: false,
    openaiType: 'api_error',
    anthropicType: 'api_error',
    meaning: 'An attempt left for the provider and its outcome was lost; policy forbids paying again.',
    remedy: 'Look at the call; set `onUnknown: retry` where paying twice is acceptable.',
  },
  all_candidates_failed: {
    status: 502,
    sdkMayRetry: false,
    openaiType: 'api_error',
    anthropicType: 'api_error',
    meaning: 'Every candidate of the route failed.',
    remedy: 'The attempt list in the error names each failure.',
  },
  engine_unavailable: {
    status: 503,
    sdkMayRetry: true,
    openaiType: 'api_error',
    anthropicType: 'overloaded_error',
    meaning: 'The durable engine or the ledger cannot take calls now.',
    remedy: 'Retry after the time in `Retry-After`; `holdfast doctor` says what is wrong.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

/** Who caused the error: this software and its policies, or the provider. Goes out as `x-holdfast-error-source`. */
export type ErrorSource = 'gateway' | 'provider';

/** An error as plain JSON: what enters history, the ledger and the bus. Never holds a secret or a prompt. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  source: ErrorSource;
  /** Overrides the catalogue's status; only `provider_rejected` uses it. */
  status?: number;
  retryAfterMs?: number;
  /** The request field at fault. */
  param?: string;
  details?: JsonObject;
}

const BRAND = Symbol.for('holdfast.error');

export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly source: ErrorSource;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly param: string | undefined;
  readonly details: JsonObject | undefined;

  constructor(code: ErrorCode, message: string, extra: Partial<Omit<ErrorRecord, 'code' | 'message'>> = {}) {
    super(message);
    this.name = 'HoldfastError';
    this.code = code;
    this.source = extra.source ?? (code.startsWith('provider_') ? 'provider' : 'gateway');
    this.status = extra.status ?? errorTable[code].status;
    this.retryAfterMs = extra.retryAfterMs;
    this.param = extra.param;
    this.details = extra.details;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Like `instanceof`, but true across copies of the package. */
  static is(error: unknown): error is HoldfastError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
  }

  static from(record: ErrorRecord): HoldfastError {
    const { code, message, ...extra } = record;
    return new HoldfastError(code, message, extra);
  }

  toRecord(): ErrorRecord {
    return {
      code: this.code,
      message: this.message,
      source: this.source,
      ...(this.status !== errorTable[this.code].status && { status: this.status }),
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.param !== undefined && { param: this.param }),
      ...(this.details !== undefined && { details: this.details }),
    };
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorTable, value);
}
