/**
 * Calls without a key that an earlier life of this node left running. Official SDKs repeat a request whose connection
 * broke: such a repeat is given the call that its first try made, instead of paying for another.
 */
import type { CallInput } from '../core/call/types.ts';
import type { JsonObject } from '../core/json.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { CallRequest } from '../core/ports/provider.ts';

export interface Orphans {
  /** The oldest call of this caller with this request that nobody has taken yet; null when there is none. */
  take(caller: Pick<CallInput['principal'], 'tenant' | 'key'>, request: CallRequest): string | null;
}

export interface OrphanDeps {
  ledger: Pick<Ledger, 'openCalls'>;
  requestOf(ref: string): Promise<CallRequest | null>;
  /** A keyed hash, so that no prompt is kept here. */
  hashBody(tenant: string, body: JsonObject): string;
  now(): number;
  /** Told of a request that could not be read; its call has no repeat then. */
  onError(error: unknown): void;
  /** How long a repeat may take to come. Default 10 minutes. */
  ttlMs?: number;
}

const TTL_MS = 600_000;
const PAGE = 500;
/** Beyond this the oldest calls are looked at and the rest are left: their callers pay again, in sight. */
const MOST = 5_000;

export const noOrphans: Orphans = { take: () => null };

/** Looks once at what is open. For a node that knows that no other lives, before it takes calls. */
export async function findOrphans(deps: OrphanDeps): Promise<Orphans> {
  const { now, ttlMs = TTL_MS } = deps;
  const expiresAt = now() + ttlMs;
  const waiting = new Map<string, string[]>();
  // A repeat is the same to the byte: its wire, its options and its stream flag too.
  const idOf = (tenant: string, key: string | null, request: CallRequest) =>
    `${deps.hashBody(tenant, { request: { ...request } })} ${key ?? ''}`;

  async function requestOf({ requestRef }: CallInput): Promise<CallRequest | null> {
    try {
      return requestRef === null ? null : await deps.requestOf(requestRef);
    } catch (error) {
      deps.onError(error);
      return null;
    }
  }

  for (let skip = 0; skip < MOST; skip += PAGE) {
    const page = await deps.ledger.openCalls(now() + 1, PAGE, skip);
    for (const { input, isKeyed } of page) {
      const request = isKeyed ? null : await requestOf(input);
      if (!request) continue;
      const id = idOf(input.principal.tenant, input.principal.key, request);
      waiting.set(id, [...(waiting.get(id) ?? []), input.callId]);
    }
    if (page.length < PAGE) break;
  }

  return {
    take({ tenant, key }, request) {
      if (now() >= expiresAt) waiting.clear();
      if (waiting.size === 0) return null;
      const id = idOf(tenant, key, request);
      const [callId = null, ...rest] = waiting.get(id) ?? [];
      if (rest.length > 0) waiting.set(id, rest);
      else waiting.delete(id);
      return callId;
    },
  };
}
