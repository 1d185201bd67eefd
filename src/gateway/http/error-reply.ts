/** Errors as the doors say them: status, headers, and the body in the shape that the caller's SDK expects. */
import { errorTable, type ErrorRecord } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';

export type ErrorShape = 'openai' | 'anthropic';

export interface ErrorReply {
  status: number;
  headers: Record<string, string>;
  body: JsonObject;
}

export function errorReply(error: ErrorRecord, shape: ErrorShape, requestId: string): ErrorReply {
  const entry = errorTable[error.code];
  const headers: Record<string, string> = {
    'x-should-retry': String(entry.sdkMayRetry),
    'x-holdfast-error-source': error.source,
  };
  if (error.retryAfterMs !== undefined) {
    headers['retry-after-ms'] = String(error.retryAfterMs);
    headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000));
  } else if (entry.sdkMayRetry) {
    headers['retry-after'] = '1';
  }
  if (shape === 'anthropic') headers['request-id'] = requestId;
  return { status: error.status ?? entry.status, headers, body: errorBody(error, shape, requestId) };
}

export function errorBody(error: ErrorRecord, shape: ErrorShape, requestId: string): JsonObject {
  const entry = errorTable[error.code];
  const details = error.details === undefined ? {} : { details: error.details };
  if (shape === 'anthropic') {
    return {
      type: 'error',
      error: { type: entry.anthropicType, message: error.message, code: error.code, ...details },
      request_id: requestId,
    };
  }
  return {
    error: {
      message: error.message,
      type: entry.openaiType,
      param: error.param ?? null,
      code: error.code,
      ...details,
    },
  };
}
