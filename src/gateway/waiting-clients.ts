/** What becomes of a call whose client leaves before its answer. */
import type { OnDisconnect } from '../core/settings.ts';

export interface WaitingClients {
  /**
   * A client begins to wait for the call, at a door or as a reader of its stream. Gives how it says that it waits no more,
   * with whether the call is to be cancelled where it has a say in that; true when no one waits here any more and the last
   * who had a say went away with a yes.
   */
  enter(callId: string): (cancels?: boolean) => boolean;
}

export function createWaitingClients(): WaitingClients {
  const waiting = new Map<string, { clients: number; cancels: boolean }>();
  return {
    enter(callId) {
      const call = waiting.get(callId) ?? { clients: 0, cancels: false };
      waiting.set(callId, call);
      call.clients += 1;
      let isWaiting = true;
      return (cancels = call.cancels) => {
        if (!isWaiting) return false;
        isWaiting = false;
        call.clients -= 1;
        call.cancels = cancels;
        if (call.clients > 0) return false;
        waiting.delete(callId);
        return cancels;
      };
    },
  };
}

/** `auto`: without a key no one can ask for the answer again; with one, the client that comes back gets it. */
export function cancelsWhenLeft(policy: OnDisconnect, isKeyed: boolean): boolean {
  return policy === 'auto' ? !isKeyed : policy === 'cancel';
}
