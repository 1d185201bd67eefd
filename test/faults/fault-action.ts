/** What a test orders a node to do at a fault point, as one line of JSON on its stdin. */
import type { FaultPoint } from '../../src/core/ports/fault-points.ts';

export type FaultAction =
  /** SIGKILL of the node itself. */
  | { do: 'kill' }
  /** Says so, and waits for the line `go`: the test does something to the world meanwhile. */
  | { do: 'hold' }
  /** Throws what the part that is at work there throws when it is away. */
  | { do: 'throw'; what: 'ledger-away' | 'disk-full' | 'engine-away' | 'bus-away' }
  /** Sets the node's clock forward, or back. */
  | { do: 'jump'; ms: number };

export interface Fault {
  point: FaultPoint;
  action: FaultAction;
  /** How many times in a row, from the next time on. Default 1. */
  times?: number;
}
