/** A campaign's result: bars, a table, and what a machine reads. */
import { percentile } from '../../bench/statistics.ts';
import { formatUsd } from '../../src/core/money.ts';
import type { Tally } from './tally.ts';

export interface Row {
  what: string;
  result: string;
  /** Empty where there is none. */
  bar: string;
  isMet: boolean;
}

const RECOVERY_BAR_MS = 20_000;

export function rowsOf(tally: Tally): Row[] {
  const { lost, silentDuplicates, costErrors, textMismatches, recoveryMs } = tally;
  const p99 = percentile(recoveryMs, 0.99);
  const plain = (what: string, result: number | string): Row => ({
    what,
    result: String(result),
    bar: '',
    isMet: true,
  });
  const zero = (what: string, count: number | bigint, result = String(count)): Row => ({
    what,
    result,
    bar: '0',
    isMet: BigInt(count) === 0n,
  });
  const others = Object.entries(tally.endedOtherwise).map(([code, count]) => `${code} ${String(count)}`);
  return [
    plain('rounds', tally.rounds),
    plain('SIGKILLs', tally.kills),
    plain('SIGTERMs, network faults', `${String(tally.terminations)}, ${String(tally.networkFaults)}`),
    plain('requests of clients', tally.submissions),
    plain('accepted', tally.accepted),
    // A campaign in which nothing works has no faults either.
    { what: 'answered', result: String(tally.answered), bar: '>= 1 a round', isMet: tally.answered >= tally.rounds },
    plain('ended otherwise, on purpose', others.join(', ') || 'none'),
    zero('lost', lost),
    plain(
      'provider dispatches a call, mean and most',
      `${(tally.dispatches / Math.max(1, tally.dispatchedCalls)).toFixed(2)}, ${String(tally.mostDispatches)}`,
    ),
    plain('duplicates recorded as `unknown`', tally.unknown),
    zero('silent duplicates', silentDuplicates),
    zero('sent again against policy (`onUnknown: fail`, background jobs)', tally.paidAgainstPolicy),
    zero('overshoot of hard budgets', BigInt(tally.overshootNanoUsd), usd(tally.overshootNanoUsd)),
    zero('holds leaked', BigInt(tally.leakedNanoUsd), usd(tally.leakedNanoUsd)),
    plain('held by `unknown` attempts until abandoned', usd(tally.heldByUnknownNanoUsd)),
    zero('cost errors', costErrors, `${String(costErrors)}, ${String(tally.settled)} settled attempts`),
    plain('billed by the provider / booked by the ledger', `${usd(tally.billedNanoUsd)} / ${usd(tally.bookedNanoUsd)}`),
    plain('calls booked below what was billed', `${String(tally.underbooked)}, by ${usd(tally.underbookedNanoUsd)}`),
    zero('text mismatches', textMismatches),
    {
      what: 'recovery p50 / p99, from the restart, without the provider',
      result: `${seconds(percentile(recoveryMs, 0.5))} / ${seconds(p99)} (${String(recoveryMs.length)} calls)`,
      bar: '<= 20 s',
      isMet: recoveryMs.length === 0 ? tally.kills === 0 : p99 <= RECOVERY_BAR_MS,
    },
    plain(
      'end of calls in flight after the kill, p50 / p99, all included',
      `${seconds(percentile(tally.endedAfterKillMs, 0.5))} / ${seconds(percentile(tally.endedAfterKillMs, 0.99))}`,
    ),
    plain(
      'exit of a node that lost its Temporal server, p50 / p99',
      `${seconds(percentile(tally.noticedMs, 0.5))} / ${seconds(percentile(tally.noticedMs, 0.99))}`,
    ),
  ];
}

export function table(rows: readonly Row[]): string {
  return [
    '| what | result | bar |',
    '|---|---|---|',
    ...rows.map(({ what, result, bar, isMet }) => `| ${what} | ${result} | ${isMet ? bar : `${bar} **missed**`} |`),
  ].join('\n');
}

export function isPassed(tally: Tally): boolean {
  return rowsOf(tally).every(({ isMet }) => isMet);
}

function usd(nanoUsd: string): string {
  return `$${formatUsd(BigInt(nanoUsd))}`;
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(1)} s`;
}
