/** How long calls that were in flight at a SIGKILL took to end, with and without what the provider took of it. */
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { LOST } from './match-attempts.ts';
import type { FaultPlan, RoundPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import type { ProviderRequest } from './provider-truth.ts';
import type { Tally } from './tally.ts';
import type { Hit } from './target.ts';

type Samples = Pick<Tally, 'recoveryMs' | 'endedAfterKillMs'>;
type Kill = Hit & FaultPlan;

/** What a provider that refused or broke off may be waited for: the longest `retry-after` that is taken, and a little more. */
const ASKED_WAIT_MS = 2_500;
/** After an outage: until the last request that it swallowed is given up at its first token's timeout, and sent again. */
const OUTAGE_FELT_MS = 5_000;

/** Each call that was in flight at a SIGKILL is one sample. */
export function recoveryTimes(plan: RoundPlan, { ledger, requests, hits, nodes, outage }: Evidence): Samples {
  const samples: Samples = { recoveryMs: [], endedAfterKillMs: [] };
  const kills = plan.faults
    .flatMap((fault, index) => {
      const hit = hits[index];
      return hit ? [{ ...fault, ...hit }] : [];
    })
    .filter(({ kind }) => kind !== 'terminate');
  for (const call of ledger ?? []) {
    const met = kills.filter(({ at }) => Date.parse(call.createdAt) <= at && endOf(call) > at);
    const [first] = met;
    if (!first) continue;
    samples.endedAfterKillMs.push(endOf(call) - first.at);
    // A call that a node without its Temporal server could still end before the restart needed no recovery.
    if (endOf(call) <= first.restartedAt) continue;
    const from = restartOf(call, met, nodes);
    samples.recoveryMs.push(endOf(call) - from - inProvider(call, requests, from, outage));
  }
  return samples;
}

/** One that never ended took at least until now. */
function endOf({ endedAt }: CallView): number {
  return endedAt === null ? Date.now() : Date.parse(endedAt);
}

/** From which restart a call is measured: that of the first kill it met, unless a later one took away what it waited for. */
function restartOf(call: CallView, met: readonly Kill[], nodes: number): number {
  let from = 0;
  const struck = new Set<number>();
  for (const kill of met) {
    if (from === 0 || (takesRecovery(call, kill, from, struck, nodes) && endOf(call) > kill.restartedAt)) {
      from = kill.restartedAt;
    }
    if (kill.kind === 'kill-node') struck.add(kill.node);
  }
  return from;
}

/**
 * A later kill begins the wait anew when it took the engine, the ledger, or every node; a single node of a fleet only when
 * the other one was hit before, or when it was carrying the call again: an attempt since the restart was lost by it.
 */
function takesRecovery(
  { attempts }: CallView,
  { kind, node, at }: Kill,
  from: number,
  struck: ReadonlySet<number>,
  nodes: number,
): boolean {
  if (kind !== 'kill-node') return kind !== 'kill-redis';
  if (nodes === 1 || (struck.size > 0 && !struck.has(node))) return true;
  return attempts.some(({ state, startedAt, endedAt }) => {
    const started = Date.parse(startedAt);
    const isUnderWay = started >= from && started <= at && (endedAt === undefined || Date.parse(endedAt) > at);
    return LOST.has(state) && isUnderWay;
  });
}

/**
 * The time in which a request was at the provider; the waits that its refusals and broken answers asked for, as long as it
 * could ask; and of what passed between two requests, what an outage of the network can have cost: what was swallowed on the
 * way is not on the provider's list. A job in the background works on while we are away.
 */
function inProvider(
  call: CallView,
  requests: readonly ProviderRequest[],
  from: number,
  outage: Evidence['outage'],
): number {
  const end = endOf(call);
  const spans = requests
    .filter(({ nonce }) => nonce === call.tags['nonce'])
    .filter(({ receivedAt, endedAt, isJob }) => (isJob ? (endedAt ?? end) : receivedAt) >= from && receivedAt < end)
    .map(({ receivedAt, endedAt, outcome }) => ({
      from: Math.max(receivedAt, from),
      to: Math.min(endedAt ?? end, end),
      asksForWait: outcome === 'refused' || outcome === 'cut',
    }))
    .sort((a, b) => a.from - b.from);
  let total = 0;
  let last: (typeof spans)[number] | undefined;
  for (const span of spans) {
    if (last && span.from > last.to) {
      const asked = last.asksForWait ? Math.min(span.from, last.to + ASKED_WAIT_MS) : last.to;
      const isFelt = outage !== null && outage.from < span.from && outage.to > last.to;
      const felt = isFelt ? Math.min(span.from, outage.to + OUTAGE_FELT_MS) : last.to;
      total += Math.max(asked, felt) - last.to;
    }
    total += Math.max(0, span.to - Math.max(span.from, last?.to ?? span.from));
    if (last === undefined || span.to > last.to) last = span;
  }
  return total;
}
