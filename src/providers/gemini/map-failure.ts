/** Google's `{"error":{code,message,status,details}}`, sometimes in an array, and blocked prompts, classified. */
import type { JsonObject } from '../../core/json.ts';
import { isJsonObject } from '../../core/json.ts';
import type { ProviderFailure } from '../../core/ports/provider.ts';
import { ProviderFailureError } from '../../core/ports/provider.ts';
import type { FailureFacts } from '../classify-failure.ts';
import { classifyFailure } from '../classify-failure.ts';
import { numberAt, objectAt, objectsAt, parseJson, stringAt } from '../read-json.ts';
import { redactProviderMessage } from '../redact-provider-message.ts';
import type { ResponseHeaders } from '../retry-after.ts';

const RETRY_DELAY = /^(\d{1,9}(?:\.\d{1,9})?)s$/;

export function mapGeminiFailure(status: number, headers: ResponseHeaders, bodyText: string): ProviderFailure {
  const value = parseJson(bodyText);
  const body = Array.isArray(value) ? value[0] : value;
  const error = isJsonObject(body) ? objectAt(body, 'error') : undefined;
  return classifyFailure({
    status,
    headers,
    ...readError(error, status),
    message: stringAt(error, 'message') ?? bodyText,
  });
}

/** An `error` object that came as an event of a stream. */
export function geminiErrorEvent(error: JsonObject): ProviderFailureError {
  const status = numberAt(error, 'code') ?? 500;
  const message = stringAt(error, 'message') ?? '';
  return new ProviderFailureError(classifyFailure({ status, headers: {}, ...readError(error, status), message }));
}

/** A 200 answer without candidates whose prompt was refused. */
export function blockedPrompt(feedback: JsonObject): ProviderFailureError {
  const reason = stringAt(feedback, 'blockReason') ?? 'OTHER';
  const text = stringAt(feedback, 'blockReasonMessage');
  return new ProviderFailureError({
    code: 'content_blocked',
    message: redactProviderMessage(`Gemini blocked the prompt (${reason})${text === undefined ? '.' : `: ${text}`}`),
    status: 200,
    retryable: false,
    failOver: false,
  });
}

function readError(error: JsonObject | undefined, status: number): Pick<FailureFacts, 'words' | 'bodyRetryAfterMs'> {
  const details = objectsAt(error, 'details');
  const words = [stringAt(error, 'status'), ...details.map((detail) => stringAt(detail, 'reason'))];
  const waitMs = details.map((detail) => readDelay(stringAt(detail, 'retryDelay'))).find((ms) => ms !== undefined);
  if (status === 429 && isQuotaUsedUp(details, stringAt(error, 'message') ?? '', waitMs))
    words.push('insufficient_quota');
  return {
    words: words.filter((word) => word !== undefined),
    ...(waitMs !== undefined && { bodyRetryAfterMs: waitMs }),
  };
}

/** RESOURCE_EXHAUSTED says both "too fast" and "used up for today": a quota by day, or no time to wait, is the latter. */
function isQuotaUsedUp(details: readonly JsonObject[], message: string, waitMs: number | undefined): boolean {
  const violations = details.flatMap((detail) => objectsAt(detail, 'violations'));
  if (violations.some((violation) => /PerDay/i.test(stringAt(violation, 'quotaId') ?? ''))) return true;
  return waitMs === undefined && /exceeded your current quota/i.test(message);
}

function readDelay(text: string | undefined): number | undefined {
  const match = text === undefined ? null : RETRY_DELAY.exec(text);
  return match === null ? undefined : Math.ceil(Number(match[1]) * 1000);
}
