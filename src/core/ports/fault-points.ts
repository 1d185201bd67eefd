/**
 * The boundaries of a call at which a process may die or a part of it may fail. Tests inject what happens there; a released
 * node has no fault points, and no option of its own that could give it some.
 */

/** Each with the promise that is at stake there. */
export const FAULT_POINTS = [
  /** At the door, before the transaction of the acceptance: nothing is owed to anyone. */
  'before-accept',
  /** The call, its key and the first attempt's hold are on disk; the engine knows nothing. */
  'after-accept',
  /** Before the engine is asked; what is thrown here stands for an engine that is away. */
  'before-start',
  /** The engine has the call; its caller has no answer yet. */
  'after-start',
  /** A call that came without a door has its row; it is not admitted, and nothing is held for it. */
  'after-row',
  /** A call that came without a door was admitted and holds money; the engine does not know the decision. */
  'after-hold',
  /** An order has come; its row does not say `dispatched`. What is thrown here stands for a ledger that is away. */
  'before-dispatch',
  /** The row says `dispatched`; no byte has left. */
  'after-dispatch',
  /** The row says `streaming`, and more is to come. */
  'mid-stream',
  /** A provider works in the background and said under which id; the ledger does not have it. */
  'after-job-start',
  /** The id of the work in the background is in the ledger, and the order is to be pending. */
  'after-job-id',
  /** The answer is complete in memory, and nowhere else. */
  'answered',
  /** It is priced and goes to the ledger. What is thrown here stands for a ledger that is away, or a full disk. */
  'before-record',
  /** The call has ended in the ledger; neither its caller nor the engine knows. What is thrown here is the bus's failure. */
  'after-record',
  /** A call without an answer is to end. What is thrown here stands for a ledger that is away. */
  'before-settle',
  /** It has ended in the ledger; neither its caller nor the engine knows. */
  'after-settle',
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

export interface FaultPoints {
  /** Tells that a call has come to a point (its id is null while it has none); may kill the process, wait, or throw what the part at work there would throw. */
  reach(point: FaultPoint, callId: string | null): Promise<void> | undefined;
}
