/**
 * This node's connections to Redis. Nothing waits long for it: a command that is not answered in time fails, nothing is
 * queued while it is away, and for a moment after a failure nothing is asked of it at all.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { HoldfastError } from '../../core/errors.ts';
import { boundCommands } from './bound-commands.ts';

export interface RedisLink {
  /** For commands. Keys begin with `prefix`. */
  readonly client: Redis;
  /** All keys of a fleet, in one hash slot. */
  readonly prefix: string;
  /** False while it is away, and for a moment after a failure. */
  readonly isUp: boolean;
  /** Told of a command that failed. */
  failed(error: unknown): void;
  /** Runs at each return of Redis, once for all commands that failed before; not at the first connection. */
  onReturn(listener: () => void): void;
  /**
   * Another connection with the same bounds, for what blocks or subscribes; closed with this one.
   * @param timeoutMs until a command of it fails, where that is not the bound of the others.
   */
  another(options?: RedisOptions, timeoutMs?: number): Redis;
  close(): void;
}

export interface RedisLinkOptions {
  /** `redis://` or `rediss://`; it may hold a password, so it is never part of an error. */
  url: string;
  /** Names the fleet: nodes of another one may use the same Redis. */
  fleet: string;
  /** Until a command that is not answered fails. Default `COMMAND_TIMEOUT_MS`. */
  commandTimeoutMs?: number;
  /** Told once when Redis goes away, and once when it is back. */
  onChange?(isUp: boolean, reason: string): void;
}

const CONNECT_TIMEOUT_MS = 1_000;
export const COMMAND_TIMEOUT_MS = 250;
const MAX_RECONNECT_MS = 1_000;
const REST_AFTER_FAILURE_MS = 500;

/** Connects in the background; resolves at once when Redis is away. @throws HoldfastError `invalid_request` for a URL that is none. */
export async function connectRedis(given: RedisLinkOptions): Promise<RedisLink> {
  checkRedisUrl(given.url);
  const bounds: RedisOptions = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    lazyConnect: true,
    retryStrategy: (times) => Math.min(times * 50, MAX_RECONNECT_MS),
  };
  const { commandTimeoutMs = COMMAND_TIMEOUT_MS } = given;
  const connections: Redis[] = [];
  let restUntil = 0;
  let wasUp = true;
  let wasEverUp = false;
  let isClosed = false;
  /** Waits to ask a server that failed whether it answers again. */
  let probe: NodeJS.Timeout | null = null;
  const listeners: (() => void)[] = [];
  const say = (isUp: boolean, reason: string) => {
    if (isUp === wasUp) return;
    wasUp = isUp;
    given.onChange?.(isUp, reason);
  };
  const connect = (options: RedisOptions = {}, timeoutMs = commandTimeoutMs): Redis => {
    const connection = new Redis(given.url, { ...bounds, ...options });
    boundCommands(connection, timeoutMs);
    // The state is told once, by the first connection; without a listener each failure would be printed.
    connection.on('error', () => undefined);
    connections.push(connection);
    return connection;
  };
  const client = connect();
  client.on('error', (error: unknown) => say(false, reasonOf(error)));
  client.on('close', () => say(false, 'the connection closed'));
  client.on('ready', () => {
    restUntil = 0;
    stopProbe();
    say(true, 'connected');
    if (wasEverUp) for (const listener of listeners) listener();
    wasEverUp = true;
  });
  /**
   * A server that accepts but does not answer makes no event when it comes to itself again. However many commands failed
   * meanwhile, one question is asked until it answers, and what was not heard is told once.
   */
  function askAgain(): void {
    const mine = probe;
    client.ping().then(
      () => {
        // A connection that is new by now has said it.
        if (probe !== mine) return;
        probe = null;
        restUntil = 0;
        say(true, 'it answers again');
        for (const listener of listeners) listener();
      },
      () => {
        if (probe === mine) rest();
      },
    );
  }
  function rest(): void {
    restUntil = Date.now() + REST_AFTER_FAILURE_MS;
    probe = setTimeout(askAgain, REST_AFTER_FAILURE_MS).unref();
  }
  function stopProbe(): void {
    if (probe !== null) clearTimeout(probe);
    probe = null;
  }
  // It goes on trying by itself.
  await client.connect().catch((error: unknown) => say(false, reasonOf(error)));
  return {
    client,
    prefix: `holdfast:{${given.fleet}}:`,
    get isUp() {
      return client.status === 'ready' && Date.now() >= restUntil;
    },
    failed(error) {
      say(false, reasonOf(error));
      if (probe === null && !isClosed) rest();
      else restUntil = Date.now() + REST_AFTER_FAILURE_MS;
    },
    onReturn: (listener) => void listeners.push(listener),
    another: connect,
    close() {
      wasUp = false;
      isClosed = true;
      stopProbe();
      for (const connection of connections) connection.disconnect();
    },
  };
}

export function checkRedisUrl(url: string): void {
  const parsed = URL.parse(url);
  if (parsed !== null && /^rediss?:$/.test(parsed.protocol)) return;
  throw new HoldfastError(
    'invalid_request',
    'stores.redisUrl must be like redis://user:password@host:6379/0, or rediss:// for TLS.',
    { param: 'stores.redisUrl' },
  );
}

/** Codes and short texts of the driver; they name the address at most. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : 'it failed';
}
