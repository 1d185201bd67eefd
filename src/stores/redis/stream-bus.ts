/**
 * The stream bus of a fleet: in process first. Only where a node follows a call that nobody there runs does it say so, and
 * the node that runs it sends what its channel holds, and what follows, into that node's inbox in Redis. A call whose
 * client waits where it runs costs one look at its attempt's start, which nothing waits for.
 *
 * Without Redis each node has its own bus: ends come through the ledger, a cancel through the engine, seconds later.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { BusMessage, StreamBus } from '../../core/ports/stream-bus.ts';
import { createMemoryStreamBus, type MemoryStreamBus } from '../memory/stream-bus.ts';
import { openBatch, parseNote, sealBatch, type BusNote } from './messages.ts';
import { createReceivedOrder } from './received-order.ts';
import type { RedisLink } from './redis-link.ts';
import { subscribeTo } from './subscription.ts';

export interface RedisStreamBus extends MemoryStreamBus {
  close(): void;
}

export interface RedisStreamBusOptions {
  link: RedisLink;
  /** Names this process life. */
  node: string;
  /** 32 bytes; seals what goes through Redis. */
  sealKey: Uint8Array;
  onError(error: unknown): void;
}

/** A call that is run here has begun by then: no one else is asked. */
const ASK_OTHERS_AFTER_MS = 250;
const ASK_AGAIN_EVERY_MS = 5_000;
/** A node that is not heard of for so long follows the call no more. */
const WANT_TTL_MS = 15_000;
const REPEAT_AFTER_GAP_MS = 500;
/** Of an inbox, in batches; a reader that falls behind further asks again. */
const INBOX_BATCHES = 1_000;
const INBOX_TTL_MS = 60_000;
/** Of one batch before it is sealed; a longer backlog goes in several. */
const BATCH_BYTES = 256 * 1024;
const READ_BLOCK_MS = 2_000;
const READ_COUNT = 100;
const PAUSE_WITHOUT_REDIS_MS = 200;
const LISTEN_WITHIN_MS = 1_000;

interface Interest {
  followers: number;
  classify: ReturnType<typeof createReceivedOrder>;
  lastAskedAgain: number;
  timer: NodeJS.Timeout;
}

interface Mirror {
  until: number;
  controller: AbortController;
}

export async function createRedisStreamBus(options: RedisStreamBusOptions): Promise<RedisStreamBus> {
  const { link, node, sealKey, onError } = options;
  const { client, prefix } = link;
  const local = createMemoryStreamBus();
  const interests = new Map<string, Interest>();
  const mirrors = new Map<string, Map<string, Mirror>>();
  const inboxOf = (name: string) => `${prefix}inbox:${name}`;
  const wantsOf = (callId: string) => `${prefix}wants:${callId}`;
  // It connects when something is followed first.
  const reader = link.another({}, READ_BLOCK_MS * 2);
  let isReading = false;
  const closing = new AbortController();

  /** Fails where Redis is away: what follows from that is this node's own bus. */
  function tell(note: BusNote): void {
    if (!link.isUp) return;
    const commands = client.pipeline();
    if (note.type === 'want') {
      // For an attempt that begins elsewhere later.
      commands.zadd(wantsOf(note.call), Date.now() + WANT_TTL_MS, note.node);
      commands.pexpire(wantsOf(note.call), WANT_TTL_MS);
    }
    commands.publish(`${prefix}notes`, JSON.stringify(note));
    commands.exec().catch((error: unknown) => link.failed(error));
  }

  // The following node -------------------------------------------------------------------------------------------

  function follow(callId: string): void {
    const known = interests.get(callId);
    if (known) {
      known.followers += 1;
      return;
    }
    const classify = createReceivedOrder();
    // It may have run here, and be kept for another node that follows it.
    for (const message of local.heldOf(callId)) classify(message);
    let hasAsked = false;
    const ask = () => {
      if (!local.isRunHere(callId)) {
        // Whoever runs it may think of a reader that has left: the one that came since has none of it.
        tell({ type: 'want', call: callId, node, again: !hasAsked });
        hasAsked ||= link.isUp;
        void readInbox();
      }
      const entry = interests.get(callId);
      if (entry) entry.timer = setTimeout(ask, ASK_AGAIN_EVERY_MS).unref();
    };
    const timer = setTimeout(ask, ASK_OTHERS_AFTER_MS).unref();
    interests.set(callId, { followers: 1, classify, lastAskedAgain: 0, timer });
  }

  function unfollow(callId: string): void {
    const interest = interests.get(callId);
    if (!interest || (interest.followers -= 1) > 0) return;
    clearTimeout(interest.timer);
    interests.delete(callId);
  }

  function receive(callId: string, batch: readonly BusMessage[]): void {
    for (const message of batch) {
      const interest = interests.get(callId);
      // What is run here by now says it itself.
      if (!interest || local.isRunHere(callId)) return;
      const verdict = interest.classify(message);
      if (verdict === 'new') local.publish(callId, message);
      if (verdict !== 'gap') continue;
      if (Date.now() - interest.lastAskedAgain > REPEAT_AFTER_GAP_MS) {
        interest.lastAskedAgain = Date.now();
        tell({ type: 'want', call: callId, node, again: true });
      }
      return;
    }
  }

  /** Reads while anything is followed. What was read is removed at once. */
  async function readInbox(): Promise<void> {
    if (isReading || closing.signal.aborted) return;
    isReading = true;
    let after = '0';
    try {
      while (interests.size > 0) {
        try {
          if (reader.status === 'wait') await reader.connect();
          const found = await reader.xreadBuffer('COUNT', READ_COUNT, 'BLOCK', READ_BLOCK_MS, 'STREAMS', inboxOf(node), after); // prettier-ignore
          const entries = entriesOf(found);
          for (const entry of entries) take(entry);
          if (entries.length > 0) await client.xdel(inboxOf(node), ...entries.map(({ id }) => id));
          after = entries.at(-1)?.id ?? after;
        } catch (error) {
          // After a restart of Redis its ids may begin anew.
          after = '0';
          if (interests.size === 0) return;
          if (reader.status === 'ready' && link.isUp) onError(error);
          await delay(PAUSE_WITHOUT_REDIS_MS);
        }
      }
    } finally {
      isReading = false;
    }
  }

  /** One that cannot be read holds up no others: its call's text is in the answer. */
  function take({ callId, sealed }: InboxEntry): void {
    if (!interests.has(callId)) return;
    try {
      receive(callId, openBatch(sealKey, callId, sealed));
    } catch (error) {
      onError(error);
    }
  }

  // The running node ---------------------------------------------------------------------------------------------

  function mirror(callId: string, to: string, again: boolean): void {
    if (to === node || !local.isRunHere(callId)) return;
    const ofCall = mirrors.get(callId) ?? new Map<string, Mirror>();
    mirrors.set(callId, ofCall);
    const known = ofCall.get(to);
    if (known && !again) {
      known.until = Date.now() + WANT_TTL_MS;
      return;
    }
    known?.controller.abort();
    const started: Mirror = { until: Date.now() + WANT_TTL_MS, controller: new AbortController() };
    ofCall.set(to, started);
    void send(callId, to, started).finally(() => {
      if (ofCall.get(to) === started) ofCall.delete(to);
      if (ofCall.size === 0 && mirrors.get(callId) === ofCall) mirrors.delete(callId);
    });
  }

  /** Everything from the first message that the channel holds; the other side leaves out what it has. */
  async function send(callId: string, to: string, { controller }: Mirror): Promise<void> {
    try {
      for await (const messages of local.subscribe(callId, controller.signal)) {
        for (const batch of inBatches(messages)) {
          const sealed = sealBatch(sealKey, callId, batch);
          const inbox = inboxOf(to);
          await client
            .pipeline()
            .xadd(inbox, 'MAXLEN', '~', INBOX_BATCHES, '*', 'c', callId, 'b', sealed)
            .pexpire(inbox, INBOX_TTL_MS)
            .exec()
            .then((results) => {
              const failed = results?.find(([error]) => error !== null);
              if (failed?.[0]) throw failed[0];
            });
        }
      }
    } catch (error) {
      // The other side asks again within seconds, and gets everything then.
      link.failed(error);
    } finally {
      controller.abort();
    }
  }

  const expiry = setInterval(() => {
    const now = Date.now();
    for (const ofCall of mirrors.values()) {
      for (const { until, controller } of ofCall.values()) if (until < now) controller.abort();
    }
  }, WANT_TTL_MS / 3);
  expiry.unref();

  /** Nodes that followed the call before this attempt began. */
  async function lookForFollowers(callId: string): Promise<void> {
    if (!link.isUp) return;
    try {
      for (const to of await client.zrangebyscore(wantsOf(callId), Date.now(), '+inf')) mirror(callId, to, false);
    } catch (error) {
      link.failed(error);
    }
  }

  const notes = subscribeTo(link, `${prefix}notes`, {
    onRefusal: onError,
    onMessage(text) {
      const note = parseNote(text);
      if (note?.type === 'want') mirror(note.call, note.node, note.again);
      if (note?.type === 'cancel') local.requestCancel(note.call);
    },
  });
  // A node that starts with Redis hears everything from the beginning; one without it does not wait.
  await Promise.race([notes.begun, delay(LISTEN_WITHIN_MS)]);

  const bus: StreamBus = {
    publish(callId, message) {
      // A node that runs the next attempt may send this one's text too.
      interests.get(callId)?.classify(message);
      return local.publish(callId, message);
    },
    subscribe(callId, signal) {
      const messages = local.subscribe(callId, signal);
      if (signal.aborted) return messages;
      follow(callId);
      let isFollowing = true;
      const leave = () => {
        if (isFollowing) unfollow(callId);
        isFollowing = false;
      };
      signal.addEventListener('abort', leave, { once: true });
      return untilLeft(messages, () => {
        signal.removeEventListener('abort', leave);
        leave();
      });
    },
    requestCancel(callId) {
      const isHere = local.requestCancel(callId);
      if (!isHere) tell({ type: 'cancel', call: callId });
      return isHere;
    },
    onCancel(callId, listener) {
      const stop = local.onCancel(callId, listener);
      void lookForFollowers(callId);
      return stop;
    },
  };
  return {
    ...bus,
    get channels() {
      return local.channels;
    },
    isRunHere: (callId) => local.isRunHere(callId),
    heldOf: (callId) => local.heldOf(callId),
    close() {
      closing.abort();
      clearInterval(expiry);
      notes.close();
      reader.disconnect();
      for (const { timer } of interests.values()) clearTimeout(timer);
      interests.clear();
      for (const ofCall of mirrors.values()) for (const { controller } of ofCall.values()) controller.abort();
    },
  };
}

async function* untilLeft<T>(messages: AsyncIterable<T>, leave: () => void): AsyncGenerator<T> {
  try {
    yield* messages;
  } finally {
    leave();
  }
}

/** An answer is in the ledger by then, and who waits reads it there. */
function* inBatches(messages: readonly BusMessage[]): Generator<BusMessage[]> {
  let batch: BusMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (message.type === 'answer') continue;
    batch.push(message);
    if (message.type === 'frame') bytes += message.raw.data.length * 2;
    if (bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

interface InboxEntry {
  id: string;
  callId: string;
  sealed: Uint8Array;
}

/** `[[key, [[id, [field, value, ...]], ...]]]`, or null when nothing came in time. */
function entriesOf(found: unknown): InboxEntry[] {
  const streams = (found ?? []) as [key: Buffer, entries: [id: Buffer, fields: Buffer[]][]][];
  return streams.flatMap(([, entries]) =>
    entries.map(([id, [, callId, , sealed]]) => ({
      id: id.toString(),
      callId: callId?.toString() ?? '',
      sealed: sealed ?? Buffer.alloc(0),
    })),
  );
}
