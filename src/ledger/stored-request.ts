import type { CallRequest } from '../core/ports/provider.ts';

/** A request as the payload store keeps it: its JSON in UTF-8. */
export function parseStoredRequest(bytes: Uint8Array): CallRequest {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as CallRequest;
}
