/**
 * A channel that this node hears for as long as its link lives. The driver's own way to subscribe again after a lost
 * connection gives up without a word where the next one breaks as well; and a connection that the network has forgotten looks
 * like a quiet channel.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisLink } from './redis-link.ts';

export interface Subscription {
  /** Redis has said that this node hears the channel, and its connection stands. */
  readonly isOn: boolean;
  /** Fulfilled when it was on for the first time. */
  readonly begun: Promise<undefined>;
  close(): void;
}

export interface SubscriptionListener {
  onMessage(text: string): void;
  /** Why Redis does not let this node hear the channel though they are connected; once for each connection. */
  onRefusal(error: unknown): void;
  /** Each time that the channel is heard from here on. */
  onBegin?(): void;
  /** Whenever a connection is lost, or none could be made. */
  onLoss?(): void;
}

/** Until an answer is given up. */
const ANSWER_WITHIN_MS = 2_000;
const PAUSE_MS = 200;
const PING_EVERY_MS = 5_000;

export function subscribeTo(link: RedisLink, channel: string, listener: SubscriptionListener): Subscription {
  const connection = link.another({ autoResubscribe: false }, ANSWER_WITHIN_MS);
  const begun = Promise.withResolvers<undefined>();
  let connections = 0;
  let isOn = false;

  async function subscribe(): Promise<void> {
    const mine = (connections += 1);
    const isCurrent = () => mine === connections && connection.status === 'ready';
    let isTold = false;
    while (isCurrent()) {
      try {
        await connection.subscribe(channel);
        if (!isCurrent()) return;
        isOn = true;
        begun.resolve(undefined);
        listener.onBegin?.();
        return;
      } catch (error) {
        // Where the connection is lost, the next one subscribes.
        if (isCurrent() && !isTold) {
          isTold = true;
          listener.onRefusal(error);
        }
        await delay(PAUSE_MS, undefined, { ref: false });
      }
    }
  }

  connection.on('ready', () => void subscribe());
  connection.on('close', () => {
    isOn = false;
    listener.onLoss?.();
  });
  connection.on('message', (_channel: string, text: string) => listener.onMessage(text));
  const pings = setInterval(() => {
    if (isOn) connection.ping().catch(() => connection.disconnect(true));
  }, PING_EVERY_MS);
  pings.unref();
  // It goes on trying by itself, and the link says that Redis is away.
  connection.connect().catch(() => undefined);
  return {
    get isOn() {
      return isOn;
    },
    begun: begun.promise,
    close() {
      clearInterval(pings);
      connection.disconnect();
    },
  };
}
