/** `holdfast/client`: make calls over HTTP, or start them straight in Temporal. */
export { createClient } from './http-client.ts';
export { createTemporalClient } from './temporal-client.ts';
export { HoldfastClientError } from './client-error.ts';
export { HoldfastError, type ErrorCode } from '../core/errors.ts';
export type { TransportOptions as ClientOptions } from './transport.ts';
export type {
  HoldfastTemporalClient,
  TemporalCall,
  TemporalCallOptions,
  TemporalClientOptions,
} from './temporal-client.ts';
export type * from './types.ts';
