import type { EncodeInput } from '../../../core/ports/provider.ts';

/** Of a request that gets JSON: content type, the key, then the configuration's own. */
export function responseHeaders({ secret, headers }: Pick<EncodeInput, 'secret' | 'headers'>): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  };
}
