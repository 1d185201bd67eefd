/** What becomes of a call whose client leaves before its answer. */
import type { OnDisconnect } from '../../core/settings.ts';

/**
 * What is to become of the call when a client waits no more: `stay` while others wait here. `cancel` where the last who had a
 * say went away with a yes. `go on` otherwise; `release` where it goes on though one wanted it cancelled, who is not given it.
 */
export type Left = 'stay' | 'cancel' | 'go on' | 'release';

export interface WaitingClients {
  /**
   * A client begins to wait for the call, at a door or as a reader of its stream. Gives how it says that it waits no more,
   * with whether the call is to be cancelled where it has a say in that.
   */
  enter(callId: string): (cancels?: boolean) => Left;
}

export function createWaitingClients(): WaitingClients {
  const waiting = new Map<string, { clients: number; cancels: boolean; wasToBeCancelled: boolean }>();
  return {
    enter(callId) {
      const call = waiting.get(callId) ?? { clients: 0, cancels: false, wasToBeCancelled: false };
      waiting.set(callId, call);
      call.clients += 1;
      let isWaiting = true;
      return (cancels = call.cancels) => {
        if (!isWaiting) return 'stay';
        isWaiting = false;
        call.clients -= 1;
        call.cancels = cancels;
        call.wasToBeCancelled ||= cancels;
        if (call.clients > 0) return 'stay';
        waiting.delete(callId);
        if (cancels) return 'cancel';
        return call.wasToBeCancelled ? 'release' : 'go on';
      };
    },
  };
}

/** `auto`: without a key no one can ask for the answer again; with one, the client that comes back gets it. */
export function cancelsWhenLeft(policy: OnDisconnect, isKeyed: boolean): boolean {
  return policy === 'auto' ? !isKeyed : policy === 'cancel';
}
