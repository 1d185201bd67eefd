/**
 * Whether other nodes of the fleet live. Each listens on a channel of its own for as long as its process does: the system
 * closes the connection of a process that was killed, and Redis knows within milliseconds that nobody listens there. One that
 * lost its connection alone is back within a fraction of a second, so that it is asked once more. A
 * machine that was lost closes nothing, so who is asked and says nothing for a second is gone, too.
 */
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import type { Peers } from '../../core/ports/peers.ts';
import type { RedisLink } from './redis-link.ts';
import { subscribeTo } from './subscription.ts';

export interface RedisPeers extends Peers {
  /** From here on this node is gone for the others. */
  close(): void;
}

export interface RedisPeersOptions {
  link: RedisLink;
  /** Names this process life. */
  node: string;
  onError(error: unknown): void;
}

/** Longer than a busy node stands still. */
const ANSWER_WITHIN_MS = 1_000;
/** After Redis was away for all, one comes back before the other: not to be heard says nothing for so long. */
const SETTLE_MS = 3_000;
/** Until a node that nobody heard is asked once more. */
const ASK_AGAIN_MS = 300;
const LISTEN_WITHIN_MS = 1_000;

/** A node that stood still for so long has the answer in its socket: that is read before it speaks. */
async function silence(): Promise<true> {
  await delay(ANSWER_WITHIN_MS, undefined, { ref: false });
  await nextTurn();
  return true;
}

export async function createRedisPeers({ link, node, onError }: RedisPeersOptions): Promise<RedisPeers> {
  const channelOf = (name: string) => `${link.prefix}node:${name}`;
  const say = (to: string, text: string) => link.client.publish(channelOf(to), text);
  const verdicts = new Map<string, Promise<boolean>>();
  /** By the node that is asked. */
  const signsOfLife = new Map<string, () => void>();
  let canTellFrom = Infinity;
  /** So it may have been for the others, who are on their way back when it returns. */
  let wasAway = !link.isUp;
  /** Times that this node heard itself. */
  let echoes = 0;

  const ears = subscribeTo(link, channelOf(node), {
    onRefusal: onError,
    onBegin() {
      canTellFrom = wasAway ? Date.now() + SETTLE_MS : 0;
    },
    onLoss() {
      wasAway = true;
      canTellFrom = Infinity;
    },
    onMessage(text) {
      const [what, name = ''] = text.split(' ', 2);
      if (what === 'alive') signsOfLife.get(name)?.();
      if (what === 'alive' && name === node) echoes += 1;
      if (what === 'who-asks') say(name, `alive ${node}`).catch((error: unknown) => link.failed(error));
    },
  });
  // The others are to hear of this node before it takes calls; one without Redis does not wait.
  await Promise.race([ears.begun, delay(LISTEN_WITHIN_MS)]);
  if (!ears.isOn) wasAway = true;

  const canTell = () => link.isUp && Date.now() >= canTellFrom;

  async function ask(other: string): Promise<boolean> {
    const sign = Promise.withResolvers<false>();
    signsOfLife.set(other, () => sign.resolve(false));
    const question = () => say(other, `who-asks ${node}`);
    const echoesBefore = echoes;
    try {
      let listeners = await question();
      if (listeners === 0) {
        await delay(ASK_AGAIN_MS, undefined, { ref: false });
        listeners = await question();
      }
      if (listeners === 0) return canTell();
      await say(node, `alive ${node}`);
      const isSilent = await Promise.race([sign.promise, silence()]);
      // The answer comes to the ears of this node, which it may have lost, or which may be deaf without knowing it.
      return isSilent && echoes > echoesBefore && canTell();
    } catch (error) {
      link.failed(error);
      return false;
    } finally {
      signsOfLife.delete(other);
    }
  }

  return {
    async isGone(other) {
      if (!canTell()) return false;
      const asked = verdicts.get(other) ?? ask(other).finally(() => verdicts.delete(other));
      verdicts.set(other, asked);
      return asked;
    },
    close() {
      ears.close();
    },
  };
}
