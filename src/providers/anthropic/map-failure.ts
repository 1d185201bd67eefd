/** `{"type":"error","error":{type,message}}`, as Anthropic gives it in bodies and in streams, classified. */
import type { JsonObject } from '../../core/json.ts';
import type { ProviderFailure } from '../../core/ports/provider.ts';
import { ProviderFailureError } from '../../core/ports/provider.ts';
import type { FailureFacts } from '../classify-failure.ts';
import { classifyFailure } from '../classify-failure.ts';
import { objectAt, parseJsonObject, stringAt } from '../read-json.ts';
import type { ResponseHeaders } from '../retry-after.ts';

const STATUS_BY_TYPE: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

export function mapAnthropicFailure(status: number, headers: ResponseHeaders, bodyText: string): ProviderFailure {
  const error = objectAt(parseJsonObject(bodyText), 'error');
  return classifyFailure({ status, headers, ...readError(error, bodyText) });
}

/** The `error` event of a stream, or an error body that came with status 200. */
export function anthropicErrorEvent(body: JsonObject): ProviderFailureError {
  const error = objectAt(body, 'error');
  const type = stringAt(error, 'type') ?? '';
  const status = (Object.hasOwn(STATUS_BY_TYPE, type) ? STATUS_BY_TYPE[type] : undefined) ?? 500;
  return new ProviderFailureError(classifyFailure({ status, headers: {}, ...readError(error, '') }));
}

function readError(error: JsonObject | undefined, bodyText: string): Pick<FailureFacts, 'message' | 'words'> {
  const words = [stringAt(error, 'type'), stringAt(objectAt(error, 'details'), 'error_code')];
  return {
    message: stringAt(error, 'message') ?? bodyText,
    words: words.filter((word) => word !== undefined),
  };
}
