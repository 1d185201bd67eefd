/** What becomes of a call whose client leaves before its answer. */
import type { OnDisconnect } from '../core/settings.ts';

export interface WaitingClients {
  /** A client begins to wait. Gives how it says that it waits no more: true when no other waits for the call here. */
  enter(callId: string): () => boolean;
}

export function createWaitingClients(): WaitingClients {
  const waiting = new Map<string, number>();
  return {
    enter(callId) {
      waiting.set(callId, (waiting.get(callId) ?? 0) + 1);
      let isWaiting = true;
      return () => {
        const left = (waiting.get(callId) ?? 0) - (isWaiting ? 1 : 0);
        isWaiting = false;
        if (left > 0) waiting.set(callId, left);
        else waiting.delete(callId);
        return left <= 0;
      };
    },
  };
}

/** `auto`: without a key no one can ask for the answer again; with one, the client that comes back gets it. */
export function cancelsWhenLeft(policy: OnDisconnect, isKeyed: boolean): boolean {
  return policy === 'auto' ? !isKeyed : policy === 'cancel';
}
