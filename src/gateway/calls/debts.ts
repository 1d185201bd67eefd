/** What the ledger is told of answers that are owed at this door. That it is away keeps no answer from its client. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Ledger } from '../../core/ports/ledger.ts';

export interface DebtsDeps {
  ledger: Pick<Ledger, 'giveOwed' | 'leaveOwed'>;
  /** Names this process, whose clients wait at its door. */
  door: string;
  /** Told of what the ledger could not be told. */
  onError(error: unknown): void;
}

/** None of them rejects. */
export interface Debts {
  /** A client at this door has the answer now. */
  give(callId: string): Promise<void>;
  /** The client left this door, or is turned away. Tried again for 25 s, behind its first try. */
  leave(callId: string): Promise<void>;
  /** Another client of this door has it now: what is still to be tried for the one before is not tried any more. */
  taken(callId: string): void;
}

const FIRST_PAUSE_MS = 100;
/** Each twice as long as the one before. */
const PAUSES = 8;

export function createDebts({ ledger, door, onError }: DebtsDeps): Debts {
  /** Calls that their clients left, which the ledger does not know yet. */
  const left = new Set<string>();

  async function leaveAgain(callId: string, firstError: unknown): Promise<void> {
    let last = firstError;
    for (let n = 0; n < PAUSES; n += 1) {
      await delay(FIRST_PAUSE_MS * 2 ** n, undefined, { ref: false });
      if (!left.has(callId)) return;
      try {
        await ledger.leaveOwed(callId, door);
        left.delete(callId);
        return;
      } catch (error) {
        last = error;
      }
    }
    left.delete(callId);
    onError(last);
  }

  return {
    async give(callId) {
      try {
        await ledger.giveOwed(callId, door);
      } catch (error) {
        // The client has its answer all the same; a debt that is left over is given to nobody while this door lives.
        onError(error);
      }
    },
    async leave(callId) {
      try {
        await ledger.leaveOwed(callId, door);
      } catch (error) {
        if (left.has(callId)) return;
        left.add(callId);
        void leaveAgain(callId, error);
      }
    },
    taken: (callId) => void left.delete(callId),
  };
}
