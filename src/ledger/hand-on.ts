/**
 * After a crash: attempts that the engine still takes for running are handed to the living at once, instead of when
 * their heartbeats have been missed for long enough. What becomes of each is decided by the ledger, as ever.
 */
import type { Ledger } from '../core/ports/ledger.ts';

export interface HandOnDeps {
  ledger: Pick<Ledger, 'openCalls'>;
  /** Tells the engine that the attempt under way of this call is lost, if a worker other than this one has it. True when one had. */
  handOn(callId: string): Promise<boolean>;
  now(): number;
  /** Told of a call that could not be handed on; its missed heartbeats will do it. */
  onError(error: unknown): void;
}

const PAGE = 500;
const AT_ONCE = 16;

/** For a node that knows that no other lives. Gives how many attempts were handed on. */
export async function handOnLostAttempts({ ledger, handOn, now, onError }: HandOnDeps): Promise<number> {
  // All of them first: the list shrinks as calls go on and end.
  const callIds: string[] = [];
  for (let page = await ledger.openCalls(now(), PAGE); page.length > 0;) {
    callIds.push(...page.map(({ input }) => input.callId));
    page = page.length < PAGE ? [] : await ledger.openCalls(now(), PAGE, callIds.length);
  }
  let handedOn = 0;
  for (let start = 0; start < callIds.length; start += AT_ONCE) {
    const results = await Promise.allSettled(callIds.slice(start, start + AT_ONCE).map(handOn));
    for (const result of results) {
      if (result.status === 'rejected') onError(result.reason);
      else if (result.value) handedOn += 1;
    }
  }
  return handedOn;
}
