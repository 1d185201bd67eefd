/**
 * Limits of speed that all nodes share: the arithmetic of the memory implementation as one script, so that a call costs one
 * round trip and takes from all its scopes or from none. Time is that of Redis, so clocks of nodes need not agree.
 *
 * A place under a concurrency limit is a lease: whoever runs the call renews it, and a killed node's places expire.
 */
import type { HotState, LimitedScope, Place } from '../../core/ports/hot-state.ts';
import { CONCURRENCY_RETRY_MS, rateLimited } from '../../core/rate-limited.ts';
import type { LimitSettings } from '../../core/settings.ts';
import type { RedisLink } from './redis-link.ts';

/** Longer than the engine needs to hand the calls of a killed node to another one, so that these keep their places. */
export const PLACE_LEASE_MS = 30_000;

const NOW = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local lease, name = tonumber(ARGV[2]), ARGV[3]
`;

/** KEYS per scope: places, requests, tokens. ARGV from 4 per scope: its three limits (-1: none), the tokens. */
const TAKE = `${NOW}
local MINUTE = 60000
local minute = math.floor(now / MINUTE)
local elapsed = (now % MINUTE) / MINUTE
local counted = {}
for i = 1, #KEYS / 3 do
  local key, arg = 3 * i - 2, 4 * i
  local concurrency = tonumber(ARGV[arg])
  if concurrency >= 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[key], '-inf', now)
    if redis.call('ZCARD', KEYS[key]) >= concurrency then return { i, 'concurrency', '0' } end
  end
  for k = 1, 2 do
    local limit = tonumber(ARGV[arg + k])
    if limit >= 0 then
      local amount = 1
      if k == 2 then amount = tonumber(ARGV[arg + 3]) end
      amount = math.min(amount, limit)
      local stored = redis.call('HMGET', KEYS[key + k], 'minute', 'current', 'previous')
      local current, previous = tonumber(stored[2] or '0'), tonumber(stored[3] or '0')
      local of = tonumber(stored[1] or minute)
      if of ~= minute then
        if of == minute - 1 then previous = current else previous = 0 end
        current = 0
      end
      local room = limit - amount - current
      if previous * (1 - elapsed) > room then
        local faded
        if room >= 0 then faded = 1 - room / previous
        else faded = 1 + math.max(0, 1 - (limit - amount) / current) end
        local kind = k == 1 and 'requestsPerMinute' or 'tokensPerMinute'
        return { i, kind, string.format('%d', math.ceil((faded - elapsed) * MINUTE) + 1) }
      end
      counted[#counted + 1] = { KEYS[key + k], current + amount, previous }
    end
  end
end
for _, window in ipairs(counted) do
  redis.call('HSET', window[1], 'minute', string.format('%d', minute),
    'current', string.format('%d', window[2]), 'previous', string.format('%d', window[3]))
  redis.call('PEXPIRE', window[1], 3 * MINUTE)
end
for i = 1, #KEYS / 3 do
  if tonumber(ARGV[4 * i]) >= 0 then
    redis.call('ZADD', KEYS[3 * i - 2], now + lease, name)
    redis.call('PEXPIRE', KEYS[3 * i - 2], 2 * lease)
  end
end
return false
`;

/** KEYS: places. ARGV 4: the name that it takes over, or nothing. */
const HOLD = `${NOW}
for _, key in ipairs(KEYS) do
  if ARGV[4] ~= '' then redis.call('ZREM', key, ARGV[4]) end
  redis.call('ZADD', key, now + lease, name)
  redis.call('PEXPIRE', key, 2 * lease)
end
return false
`;

/** KEYS: places. ARGV from 4: the name for each key. @param onlyWhere of ZADD: `'XX',` leaves out what is gone. */
const ofMany = (onlyWhere: string) => `${NOW}
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ${onlyWhere} now + lease, ARGV[3 + i])
  redis.call('PEXPIRE', key, 2 * lease)
end
return false
`;
const RENEW = ofMany("'XX',");
const RECLAIM = ofMany('');

/** Places in one script: longer ones would hold up the calls of others. */
const PLACES_AT_ONCE = 500;

export interface RedisHotStateOptions {
  link: RedisLink;
  /** Unix milliseconds instead of the time of Redis, for tests. */
  now?: () => number;
  leaseMs?: number;
}

export function createRedisHotState(options: RedisHotStateOptions): HotState {
  const { link, leaseMs = PLACE_LEASE_MS } = options;
  const { client } = link;
  const key = (kind: string, { scope }: LimitedScope) => `${link.prefix}${kind}:${scope}`;
  const head = (name: string) => [options.now === undefined ? '' : options.now(), leaseMs, name];
  const bounded = (scopes: readonly LimitedScope[]) => scopes.filter(({ limits }) => limits.concurrency !== null);

  /** What no one waits for. A place that is not freed expires. */
  function tell(script: string, keys: readonly string[], args: (string | number)[]): void {
    if (keys.length === 0 || !link.isUp) return;
    client.eval(script, keys.length, ...keys, ...args).catch((error: unknown) => link.failed(error));
  }

  function tellOfMany(script: string, places: readonly Place[]): void {
    const all = places.flatMap(({ name, scopes }) =>
      bounded(scopes).map((scope) => ({ name, key: key('places', scope) })),
    );
    for (let from = 0; from < all.length; from += PLACES_AT_ONCE) {
      const some = all.slice(from, from + PLACES_AT_ONCE);
      tell(script, some.map((each) => each.key), [...head(''), ...some.map((each) => each.name)]); // prettier-ignore
    }
  }

  return {
    async take({ name, scopes: given }, tokens) {
      const scopes = given.filter(({ limits }) => Object.values(limits).some((limit) => limit !== null));
      if (scopes.length === 0) return;
      const keys = scopes.flatMap((scope) => ['places', 'requests', 'tokens'].map((kind) => key(kind, scope)));
      const args = scopes.flatMap(({ limits }) => [
        limits.concurrency ?? -1,
        limits.requestsPerMinute ?? -1,
        limits.tokensPerMinute ?? -1,
        tokens,
      ]);
      const refused = (await client.eval(TAKE, keys.length, ...keys, ...head(name), ...args)) as
        [index: number, kind: keyof LimitSettings, waitMs: string] | null;
      if (!refused) return;
      const [index, kind, waitMs] = refused;
      const { scope, limits } = scopes[index - 1] ?? { scope: '', limits: {} as LimitSettings };
      throw rateLimited(scope, kind, limits[kind] ?? 0, Number(waitMs) || CONCURRENCY_RETRY_MS);
    },
    hold({ name, scopes }, instead = '') {
      tell(HOLD, bounded(scopes).map((scope) => key('places', scope)), [...head(name), instead]); // prettier-ignore
    },
    reclaim: (places) => tellOfMany(RECLAIM, places),
    renew: (places) => tellOfMany(RENEW, places),
    free({ name, scopes }) {
      if (!link.isUp) return;
      for (const scope of bounded(scopes)) {
        client.zrem(key('places', scope), name).catch((error: unknown) => link.failed(error));
      }
    },
  };
}
