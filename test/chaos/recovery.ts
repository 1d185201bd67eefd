/** How long calls that were in flight at a round's last SIGKILL took to end, with and without what the provider took of it. */
import type { CallView } from '../../src/core/ports/ledger.ts';
import type { RoundPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Tally } from './tally.ts';

export function recoveryTimes(
  plan: RoundPlan,
  { ledger, requests, hits }: Evidence,
): Pick<Tally, 'recoveryMs' | 'endedAfterKillMs'> {
  const hit = hits.at(-1);
  if (!hit || plan.faults.at(-1)?.kind === 'terminate' || !ledger) return { recoveryMs: [], endedAfterKillMs: [] };
  const inFlight = ledger.filter(
    ({ createdAt, endedAt }) => Date.parse(createdAt) <= hit.at && (endedAt === null || Date.parse(endedAt) > hit.at),
  );
  // A call that a node without its Temporal server could still end before the restart needed no recovery.
  const open = inFlight.filter(({ endedAt }) => endedAt === null || Date.parse(endedAt) > hit.restartedAt);
  return {
    recoveryMs: open.map((call) => endOf(call) - hit.restartedAt - inProvider(call, requests, hit.restartedAt)),
    endedAfterKillMs: inFlight.map((call) => endOf(call) - hit.at),
  };
}

/** One that never ended took at least until now. */
function endOf({ endedAt }: CallView): number {
  return endedAt === null ? Date.now() : Date.parse(endedAt);
}

/**
 * From the first request after the restart to the end of the last: all that the provider took for its answer, and the
 * waits that its refusals and broken connections asked for. A job in the background works on while we are away.
 */
function inProvider(call: CallView, requests: readonly ProviderRequest[], restartedAt: number): number {
  const end = endOf(call);
  const times = requests
    .filter(({ nonce }) => nonce === call.tags['nonce'])
    .filter(
      ({ receivedAt, endedAt, isJob }) => (isJob ? (endedAt ?? end) : receivedAt) >= restartedAt && receivedAt < end,
    )
    .flatMap(({ receivedAt, endedAt }) => [Math.max(receivedAt, restartedAt), Math.min(endedAt ?? end, end)]);
  return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
}
