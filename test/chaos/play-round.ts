/** One round: load, a kill in the middle of it, recovery, and the evidence of it all. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { runCallers } from './callers.ts';
import type { FaultProxy } from './fault-proxy.ts';
import type { CallPlan, FaultPlan, RoundPlan } from './plan.ts';
import type { ProviderRequest, ProviderTruth } from './provider-truth.ts';
import type { Submission } from './submission.ts';
import type { Hit, Money, Target } from './target.ts';

export interface Evidence {
  round: number;
  calls: CallPlan[];
  submissions: Submission[];
  requests: ProviderRequest[];
  /** How many nodes took calls. */
  nodes: number;
  /** One for each fault of the plan. */
  hits: Hit[];
  /** When the network to the provider failed, in Unix milliseconds; null when it did not. */
  outage: { from: number; to: number } | null;
  /** What the ids that clients without a key were given stand for. */
  known: { callId: string; call: CallView | null }[];
  /** As the ledger stood when everything had ended; null without a ledger. */
  ledger: CallView[] | null;
  /** After the unknown attempts were abandoned. */
  closed: CallView[] | null;
  held: { before: Money; after: Money } | null;
}

export interface RoundParts {
  target: Target;
  proxy: FaultProxy;
  truth: ProviderTruth;
  /** Stands before every nonce: a round that is played again must not meet the keys of its first time. */
  session: string;
}

/** Longer than a heartbeat timeout, the sweep's period and a call's own deadline together. */
const PATIENCE_MS = 110_000;
const LOOK_EVERY_MS = 100;

export async function playRound(plan: RoundPlan, { target, proxy, truth, session }: RoundParts): Promise<Evidence> {
  const prefix = `${session}-r${String(plan.round)}c`;
  const calls = plan.calls.map((call) => ({ ...call, nonce: `${session}-${call.nonce}` }));
  const beganAt = Date.now();
  const { urls } = target;
  const [submissions, hits, outage] = await Promise.all([
    Promise.all(
      calls.map((call) =>
        runCallers({ urls, call, key: target.keyOf(call.tenant, plan.round), beganAt, patienceMs: PATIENCE_MS }),
      ),
    ),
    hitAsPlanned(target, plan.faults),
    plan.network ? failLater(proxy, plan.network) : null,
  ]);
  await untilQuiet(target, truth);
  const ledger = await target.callsOf(prefix);
  const before = await target.money(plan.round);
  await target.abandonUnknown();
  const after = await target.money(plan.round);
  const evidence: Evidence = {
    round: plan.round,
    calls,
    submissions: submissions.flat(),
    requests: await truth.requests(),
    nodes: urls.length,
    hits,
    outage,
    known: await lookUp(target, submissions.flat()),
    ledger,
    closed: await target.callsOf(prefix),
    held: before && after && { before, after },
  };
  await truth.forget();
  return evidence;
}

async function hitAsPlanned(target: Target, faults: readonly FaultPlan[]): Promise<Hit[]> {
  const hits: Hit[] = [];
  for (const fault of faults) {
    await delay(fault.atMs);
    hits.push(await target.hit(fault));
  }
  return hits;
}

function lookUp(target: Target, submissions: readonly Submission[]): Promise<Evidence['known']> {
  const ids = submissions.flatMap(({ isKeyed, callId }) => (isKeyed || callId === null ? [] : [callId]));
  return Promise.all(ids.map(async (callId) => ({ callId, call: await target.callById(callId) })));
}

async function failLater(
  proxy: FaultProxy,
  { kind, atMs, forMs }: NonNullable<RoundPlan['network']>,
): Promise<NonNullable<Evidence['outage']>> {
  await delay(atMs);
  const from = Date.now();
  await proxy.fail(kind, forMs);
  return { from, to: Date.now() };
}

/** Waits until no call is open and the provider has nothing more to say; a call that never ends, until patience does. */
export async function untilQuiet(target: Target, truth: ProviderTruth): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const open = await target.openCalls();
    const pending = (await truth.requests()).some(({ outcome }) => outcome === 'pending');
    if ((open === 0 && !pending) || Date.now() > deadline) return;
    await delay(LOOK_EVERY_MS);
  }
}
