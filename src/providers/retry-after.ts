/** When a provider wants the next try, out of its response headers. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A wait beyond a day is no plan for one call: it is cut to this. */
const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;
const DECIMAL = /^\d+(?:\.\d+)?$/;
/** `Date.parse` takes almost anything; an HTTP date starts with a day name. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;

/**
 * `retry-after-ms` before `retry-after` in seconds before its HTTP date. Negative or unreadable values are undefined, a
 * date that has passed is 0, and nothing exceeds a day.
 */
export function retryAfterMs(headers: ResponseHeaders, nowMs: number): number | undefined {
  const milliseconds = decimal(headerValue(headers, 'retry-after-ms'));
  if (milliseconds !== undefined) return clamp(milliseconds);
  const value = headerValue(headers, 'retry-after');
  if (value === undefined) return undefined;
  const seconds = decimal(value);
  if (seconds !== undefined) return clamp(seconds * 1000);
  if (!HTTP_DATE.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : clamp(at - nowMs);
}

/** `x-should-retry` of OpenAI and Anthropic: it overrides what the status would say. */
export function shouldRetryHeader(headers: ResponseHeaders): boolean | undefined {
  const value = headerValue(headers, 'x-should-retry')?.toLowerCase();
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

/** A header by its lower-case name, whatever the case it came in; the first of several. */
export function headerValue(headers: ResponseHeaders, name: string): string | undefined {
  let value = headers[name];
  if (value === undefined) {
    const key = Object.keys(headers).find((candidate) => candidate.toLowerCase() === name);
    value = key === undefined ? undefined : headers[key];
  }
  return (Array.isArray(value) ? value[0] : value)?.trim();
}

function decimal(value: string | undefined): number | undefined {
  return value !== undefined && DECIMAL.test(value) ? Number(value) : undefined;
}

function clamp(ms: number): number {
  return Math.min(Math.max(0, Math.ceil(ms)), MAX_RETRY_AFTER_MS);
}
