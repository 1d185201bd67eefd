/** What a call says, for whoever waits for it: from the bus of this process, and its end wherever it ends. */
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import type { BusMessage, StreamBus } from '../../core/ports/stream-bus.ts';
import type { EndWatch } from './end-watch.ts';

export interface FollowCallDeps {
  ledger: Pick<Ledger, 'getCall'>;
  bus: StreamBus;
  endWatch: EndWatch;
  /** Told of the end of each call that is followed, before the follower is. */
  onEnd(call: CallView): void;
}

export interface CallFollower {
  /** Messages of any call; for one that runs elsewhere or has ended, at least its `call-end`. @throws HoldfastError `not_found`. */
  follow(callId: string, signal: AbortSignal): AsyncIterable<BusMessage[]>;
  /** Of a call that is about to start: subscribed from here on, so that no frame comes before its reader. */
  await(callId: string): AwaitedCall;
}

export interface AwaitedCall {
  follow(signal: AbortSignal): AsyncIterable<BusMessage[]>;
  /** Nobody will read it. */
  giveUp(): void;
}

export function createCallFollower(deps: FollowCallDeps): CallFollower {
  function subscribe(callId: string) {
    const controller = new AbortController();
    return { controller, messages: deps.bus.subscribe(callId, controller.signal) };
  }

  function read(
    callId: string,
    { controller, messages }: ReturnType<typeof subscribe>,
    signal: AbortSignal,
    isNew: boolean,
  ): AsyncIterable<BusMessage[]> {
    signal.addEventListener('abort', () => controller.abort(), { once: true });
    if (signal.aborted) controller.abort();
    return withLedgerEnd(callId, messages, controller, isNew);
  }

  /** Messages of the bus; where the call runs elsewhere, the watch puts its end on the bus. */
  async function* withLedgerEnd(
    callId: string,
    messages: AsyncIterable<BusMessage[]>,
    subscription: AbortController,
    isNew: boolean,
  ): AsyncGenerator<BusMessage[]> {
    const unwatch = deps.endWatch.add(callId);
    try {
      if (!isNew) {
        const call = await deps.ledger.getCall(callId);
        if (!call) throw new HoldfastError('not_found', 'There is no such call.');
        if (call.state === 'ended') {
          yield [{ type: 'call-end', call }];
          return;
        }
      }
      for await (const batch of messages) {
        const end = batch.find((message) => message.type === 'call-end');
        // It may have ended in another process: what is freed there is this node's to forget.
        if (end) deps.onEnd(end.call);
        yield batch;
        if (end) return;
      }
    } finally {
      unwatch();
      subscription.abort();
    }
  }

  return {
    follow: (callId, signal) => read(callId, subscribe(callId), signal, false),
    await(callId) {
      const subscription = subscribe(callId);
      return {
        follow: (signal) => read(callId, subscription, signal, true),
        giveUp: () => subscription.controller.abort(),
      };
    },
  };
}
