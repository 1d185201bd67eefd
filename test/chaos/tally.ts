/** What a campaign counts. All of it adds up over rounds. */
export interface Tally {
  rounds: number;
  kills: number;
  terminations: number;
  networkFaults: number;
  /** Requests of clients, repeats included. */
  submissions: number;
  /** Calls whose id a client had, or whose key the ledger has. */
  accepted: number;
  /** Ended with an answer, which the clients with a key have in hand. */
  answered: number;
  /** Ended otherwise, by the code of the end. */
  endedOtherwise: Record<string, number>;
  lost: number;
  /** Requests that the provider got, and the calls they were for. */
  dispatches: number;
  dispatchedCalls: number;
  mostDispatches: number;
  /** Attempts that the ledger had as `unknown` when all was quiet. */
  unknown: number;
  /** Paid requests beyond what the ledger's attempts admit to. */
  silentDuplicates: number;
  /** Attempts that followed a lost one where policy forbids it: `onUnknown: fail`, and jobs in the background. */
  paidAgainstPolicy: number;
  /** Beyond hard budgets, by what the provider billed. */
  overshootNanoUsd: string;
  /** Held when the unknown attempts were abandoned and no call was open. */
  leakedNanoUsd: string;
  /** Held by unknown attempts before that: legitimate, and shown. */
  heldByUnknownNanoUsd: string;
  /** Settled attempts whose usage or cost is not the provider's. */
  costErrors: number;
  settled: number;
  /** What the provider billed, and what the ledger booked for the same calls in the end. */
  billedNanoUsd: string;
  bookedNanoUsd: string;
  /** Calls booked below what the provider billed: broken streams, which are estimated. */
  underbooked: number;
  underbookedNanoUsd: string;
  textMismatches: number;
  /** A sample for each call that was in flight at a SIGKILL. */
  recoveryMs: number[];
  /** The same, from the kill, with all that the provider took. */
  endedAfterKillMs: number[];
  /** From the loss of the Temporal server to the exit of the node. */
  noticedMs: number[];
}

export const NOTHING: Readonly<Tally> = {
  rounds: 0,
  kills: 0,
  terminations: 0,
  networkFaults: 0,
  submissions: 0,
  accepted: 0,
  answered: 0,
  endedOtherwise: {},
  lost: 0,
  dispatches: 0,
  dispatchedCalls: 0,
  mostDispatches: 0,
  unknown: 0,
  silentDuplicates: 0,
  paidAgainstPolicy: 0,
  overshootNanoUsd: '0',
  leakedNanoUsd: '0',
  heldByUnknownNanoUsd: '0',
  costErrors: 0,
  settled: 0,
  billedNanoUsd: '0',
  bookedNanoUsd: '0',
  underbooked: 0,
  underbookedNanoUsd: '0',
  textMismatches: 0,
  recoveryMs: [],
  endedAfterKillMs: [],
  noticedMs: [],
};

export function add(total: Tally, round: Tally): Tally {
  const sum = Object.fromEntries(
    Object.entries(total).map(([name, value]: [string, Tally[keyof Tally]]) => [
      name,
      name === 'mostDispatches'
        ? Math.max(total.mostDispatches, round.mostDispatches)
        : addValue(value, round[name as keyof Tally]),
    ]),
  );
  return sum as unknown as Tally;
}

function addValue(a: Tally[keyof Tally], b: Tally[keyof Tally]): Tally[keyof Tally] {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (typeof a === 'string' && typeof b === 'string') return String(BigInt(a) + BigInt(b));
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  return addCounts(a as Record<string, number>, b as Record<string, number>);
}

function addCounts(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].sort().map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}
