/** How long calls that were in flight at a SIGKILL took to end, with and without what the provider took of it. */
import type { CallView } from '../../src/core/ports/ledger.ts';
import type { RoundPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Tally } from './tally.ts';

type Samples = Pick<Tally, 'recoveryMs' | 'endedAfterKillMs'>;

/** Each call is a sample of the last SIGKILL that met it: what it waited for before another one began anew with that. */
export function recoveryTimes(plan: RoundPlan, { ledger, requests, hits }: Evidence): Samples {
  const samples: Samples = { recoveryMs: [], endedAfterKillMs: [] };
  for (const [index, hit] of hits.entries()) {
    if (plan.faults[index]?.kind === 'terminate') continue;
    const nextAt = hits[index + 1]?.at ?? Infinity;
    const inFlight = (ledger ?? []).filter((call) => {
      const end = call.endedAt === null ? Infinity : Date.parse(call.endedAt);
      return Date.parse(call.createdAt) <= hit.at && end > hit.at && (nextAt === Infinity || end <= nextAt);
    });
    // A call that a node without its Temporal server could still end before the restart needed no recovery.
    const open = inFlight.filter(({ endedAt }) => endedAt === null || Date.parse(endedAt) > hit.restartedAt);
    for (const call of open) {
      const providers = inProvider(call, requests, hit.restartedAt, plan.network !== null);
      samples.recoveryMs.push(endOf(call) - hit.restartedAt - providers);
    }
    for (const call of inFlight) samples.endedAfterKillMs.push(endOf(call) - hit.at);
  }
  return samples;
}

/** One that never ended took at least until now. */
function endOf({ endedAt }: CallView): number {
  return endedAt === null ? Date.now() : Date.parse(endedAt);
}

/**
 * The time in which a request was at the provider, and the waits that its refusals and broken answers asked for. In a round
 * whose network failed, all from the first request to the end of the last: what was swallowed on the way is not on its list.
 * A job in the background works on while we are away.
 */
function inProvider(
  call: CallView,
  requests: readonly ProviderRequest[],
  restartedAt: number,
  networkFailed: boolean,
): number {
  const end = endOf(call);
  const spans = requests
    .filter(({ nonce }) => nonce === call.tags['nonce'])
    .filter(
      ({ receivedAt, endedAt, isJob }) => (isJob ? (endedAt ?? end) : receivedAt) >= restartedAt && receivedAt < end,
    )
    .map(({ receivedAt, endedAt, outcome }) => ({
      from: Math.max(receivedAt, restartedAt),
      to: Math.min(endedAt ?? end, end),
      asksForWait: networkFailed || outcome === 'refused' || outcome === 'cut',
    }))
    .sort((a, b) => a.from - b.from);
  let total = 0;
  let last: (typeof spans)[number] | undefined;
  for (const span of spans) {
    const from = last === undefined ? span.from : last.asksForWait ? last.to : Math.max(span.from, last.to);
    total += Math.max(0, span.to - from);
    if (last === undefined || span.to > last.to) last = span;
  }
  return total;
}
