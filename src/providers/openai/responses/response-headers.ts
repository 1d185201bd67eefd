import type { EncodeInput } from '../../../core/ports/provider.ts';

export const EVENT_STREAM = 'text/event-stream';

/** Of a request that gets JSON or events: content type, the key, then the configuration's own. */
export function responseHeaders(
  { secret, headers }: Pick<EncodeInput, 'secret' | 'headers'>,
  accept = 'application/json',
): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept,
    ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  };
}
