/** A call that was answered once and booked as billed, and the verdict on what a test changes of it. */
import type { AttemptView, CallView } from '../../src/core/ports/ledger/views.ts';
import { NO_USAGE } from '../../src/core/usage.ts';
import { costNanoUsd } from './campaign-config.ts';
import { judge } from './judge.ts';
import type { CallPlan, FaultPlan, RoundPlan } from './plan.ts';
import type { Evidence } from './play-round.ts';
import { answerOf } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import { isPassed } from './report.ts';
import type { Submission } from './submission.ts';

export const nonce = 's1-r1c0';
export const said = answerOf(nonce, 1);
const call: CallPlan = { nonce, model: 'chaos', isStream: true, isKeyed: true, tenant: 'tight', submissions: [] };
const plan: RoundPlan = { round: 1, calls: [call], faults: [{ kind: 'kill-node', atMs: 10, node: 0 }], network: null };

export const submission: Submission = {
  nonce,
  client: 0,
  isStream: true,
  isKeyed: true,
  startedAt: 0,
  endedAt: 900,
  callId: 'call-1',
  status: 200,
  text: said.text,
  lastEventId: null,
  end: 'whole',
  errorCode: null,
  mayAskAgain: false,
  retryAfterMs: 0,
};

export const request: ProviderRequest = {
  nonce,
  nth: 1,
  isStream: true,
  isJob: false,
  isDisturbed: false,
  receivedAt: 5,
  endedAt: 800,
  outcome: 'whole',
  billedInputTokens: said.inputTokens,
  billedOutputTokens: said.outputTokens,
  sentText: said.text,
};

export const attempt: AttemptView = {
  n: 1,
  order: 1,
  provider: 'mock',
  model: 'chaos-1',
  credential: null,
  state: 'settled',
  startedAt: new Date(5).toISOString(),
  usage: { ...NO_USAGE, inputTokens: said.inputTokens, outputTokens: said.outputTokens },
  costNanoUsd: String(costNanoUsd(said.inputTokens, said.outputTokens)),
  pricing: 'priced',
};

export const view: CallView = {
  id: 'call-1',
  tenant: 'tight-1',
  kind: 'chat',
  model: 'chaos',
  state: 'ended',
  outcome: 'succeeded',
  createdAt: new Date(1).toISOString(),
  endedAt: new Date(850).toISOString(),
  costNanoUsd: attempt.costNanoUsd,
  pricing: 'priced',
  error: null,
  key: null,
  tags: { nonce },
  requestRef: null,
  answerRef: null,
  attempts: [attempt],
};

interface Scene {
  submissions?: Submission[];
  requests?: ProviderRequest[];
  ledger?: CallView[];
  heldNanoUsd?: bigint;
  model?: CallPlan['model'];
  tenant?: CallPlan['tenant'];
  isKeyed?: boolean;
  faults?: FaultPlan[];
  hits?: Evidence['hits'];
  nodes?: number;
}

export function judged(scene: Scene) {
  const { submissions = [submission], requests = [request], ledger = [view], heldNanoUsd = 0n } = scene;
  const money = { heldNanoUsd, tightSpentNanoUsd: 0n };
  const evidence: Evidence = {
    round: 1,
    calls: [
      { ...call, model: scene.model ?? 'chaos', tenant: scene.tenant ?? 'tight', isKeyed: scene.isKeyed ?? true },
    ],
    submissions,
    requests,
    nodes: scene.nodes ?? 1,
    hits: scene.hits ?? [{ at: 100, restartedAt: 200, kills: 1, noticedAfterMs: null }],
    outage: null,
    known: scene.isKeyed === false ? [{ callId: 'call-1', call: ledger[0] ?? null }] : [],
    ledger,
    closed: ledger,
    held: { before: money, after: money },
  };
  const { tally, faults } = judge({ ...plan, faults: scene.faults ?? plan.faults }, evidence);
  return { tally, faults, passed: isPassed(tally) };
}

/** The call with these attempts, at what they cost together. */
export function withAttempts(...changes: Partial<AttemptView>[]): CallView {
  const attempts = changes.map((change, index) => ({ ...attempt, n: index + 1, ...change }));
  const total = attempts.reduce((sum, { costNanoUsd: cost }) => sum + BigInt(cost), 0n);
  return { ...view, costNanoUsd: String(total), attempts };
}
