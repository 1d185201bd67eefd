/** The headers of an outgoing request: content type, the provider's own, the caller's of that wire, then the configuration's. */
import type { Wire } from '../core/chat.ts';
import type { EncodeInput } from '../core/ports/provider.ts';
import type { ResponseHeaders } from './retry-after.ts';
import { headerValue } from './retry-after.ts';

export function requestHeaders(
  input: EncodeInput,
  wire: Wire,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: input.request.stream ? 'text/event-stream' : 'application/json',
    ...own,
    ...(input.request.wire === wire && input.request.wireHeaders),
  };
  for (const [name, value] of Object.entries(input.headers)) headers[name.toLowerCase()] = value;
  return headers;
}

/** Values of one line without anything that could end a header. */
const HARMLESS = /^[\w.,:;= -]{1,500}$/;

/** The caller's headers that belong to a wire; undefined when there are none. */
export function pickWireHeaders(
  headers: ResponseHeaders,
  names: readonly string[],
): Record<string, string> | undefined {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = headerValue(headers, name);
    if (value !== undefined && HARMLESS.test(value)) picked[name] = value;
  }
  return Object.keys(picked).length === 0 ? undefined : picked;
}
