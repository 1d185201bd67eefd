/**
 * Calls without a key whose client has lost its door. Official SDKs repeat a request whose connection broke: such a repeat
 * is given the call that its first try made, instead of paying for another.
 */
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { Joined, OwedCall } from '../../core/ports/ledger/calls.ts';
import type { Peers } from '../../core/ports/peers.ts';
import type { CallEngine } from './call-engine.ts';

export interface Orphans {
  /**
   * The oldest call of this caller with this request that nobody waits for and nobody has taken; null when there is none.
   * @throws HoldfastError `engine_unavailable` also where only the engine could say whether there is one.
   */
  take(repeatHash: string): Promise<Joined | null>;
}

export interface OrphanDeps {
  ledger: Pick<Ledger, 'owedCalls' | 'takeOwed'>;
  peers: Peers;
  engine: Pick<CallEngine, 'stateOf'>;
  /** This process. */
  door: string;
  now(): number;
}

/** How long an answer waits for a repeat. */
const ANSWER_KEPT_MS = 600_000;
/** A call that the engine does not have is ended soon: whoever takes it must have started it by then (see `KEYLESS_GRACE_MS`). */
export const TAKE_UNSTARTED_WITHIN_MS = 1_000;
/** Beyond so many at once with one request the rest is not looked at: their callers pay again, in sight. */
const MOST = 500;
/** Of one repeat's questions: after so many calls that the engine does not have, the others are taken for such. */
const MOST_MISSING = 5;

/** What is to be known of an orphan before it is taken. */
type Standing = 'may be ended' | 'has a workflow' | 'may be started';

export function createOrphans({ ledger, peers, engine, door, now }: OrphanDeps): Orphans {
  async function goneAmong(calls: readonly OwedCall[]): Promise<ReadonlySet<string | null>> {
    const others = new Set(calls.flatMap((call) => (call.door === null || call.door === door ? [] : [call.door])));
    const gone = await Promise.all([...others].map(async (other) => ((await peers.isGone(other)) ? [other] : [])));
    // A client that left a door which lives said so there: whoever is at this one still waits.
    return new Set([null, ...gone.flat()]);
  }

  /** For one repeat, so that it waits for the engine once at most. */
  function createInquiry() {
    let missing = 0;
    let failure: HoldfastError | null = null;
    return {
      get failure() {
        return failure;
      },
      async standingOf({ callId, createdAt, isUnstarted }: OwedCall): Promise<Standing> {
        if (!isUnstarted || now() - createdAt <= TAKE_UNSTARTED_WITHIN_MS) return 'may be started';
        if (failure || missing >= MOST_MISSING) return 'may be ended';
        try {
          // One that the engine has is not ended, though its first attempt may take seconds to begin: its first worker died, too.
          if ((await engine.stateOf(callId)) === 'running') return 'has a workflow';
          missing += 1;
        } catch (error) {
          if (!HoldfastError.is(error)) throw error;
          failure = error;
        }
        return 'may be ended';
      },
    };
  }

  return {
    async take(repeatHash) {
      const owed = await ledger.owedCalls(repeatHash, now() - ANSWER_KEPT_MS, MOST);
      const gone = await goneAmong(owed);
      const inquiry = createInquiry();
      for (const call of owed) {
        if (!gone.has(call.door)) continue;
        const standing = await inquiry.standingOf(call);
        if (standing === 'may be ended') continue;
        const taken = await ledger.takeOwed(call.callId, call.door, door);
        if (taken) return standing === 'has a workflow' ? { status: taken.status, callId: taken.callId } : taken;
      }
      // The engine may have one: a new call could be paid for beside it, and could not be started now either.
      if (inquiry.failure) throw inquiry.failure;
      return null;
    },
  };
}
