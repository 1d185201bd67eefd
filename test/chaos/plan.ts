/**
 * What happens in a round, from the seed alone: who asks for what and when, what is killed, how the network fails.
 * The plan is deterministic; in which order the system's processes then run is not.
 */
import { createRandom, type Random } from './random.ts';

export type Shape = 'embedded' | 'fleet';
/**
 * `terminate` is SIGTERM, the others SIGKILL. `kill-server` ends Temporal's. In a fleet `kill-node` and `terminate` meet
 * one node, `kill-both` all of them.
 */
export type FaultKind = 'kill-node' | 'kill-server' | 'kill-both' | 'kill-postgres' | 'kill-redis' | 'terminate';
export type NetworkFaultKind = 'refuse' | 'reset' | 'black-hole' | 'slow';

/**
 * How a call is carried out; each is a model of the campaign's configuration. `chaos`: recover; `careful`: never pay
 * again for a lost attempt; `failover`: a second provider; `claude`: Anthropic's wire; `background`: the provider works
 * alone and is asked.
 */
export type CallModel = 'chaos' | 'careful' | 'failover' | 'claude' | 'background';

export interface SubmissionPlan {
  /** After the beginning of the round. */
  atMs: number;
  /** Its client closes the connection after so long; null stays. */
  leaveAfterMs: number | null;
  /** A stream that breaks is taken up again by its last event, where it has a key. */
  resumes: boolean;
}

export interface CallPlan {
  /** Names the call in its prompt, in its tags and at the provider. */
  nonce: string;
  model: CallModel;
  isStream: boolean;
  /** Sent with an Idempotency-Key, the nonce. */
  isKeyed: boolean;
  /** `tight` has a hard budget that the round's calls do not all fit in. */
  tenant: 'open' | 'tight';
  /** More than one: the same request with the same key again, at once or later. */
  submissions: SubmissionPlan[];
}

export interface FaultPlan {
  kind: FaultKind;
  /** After the beginning of the round; of a second one, after calls are accepted again. */
  atMs: number;
  /** Which node of a fleet it meets. */
  node: number;
}

export interface RoundPlan {
  round: number;
  calls: CallPlan[];
  /** One, or a second in the middle of the recovery from the first. */
  faults: FaultPlan[];
  network: { kind: NetworkFaultKind; atMs: number; forMs: number } | null;
}

const LOAD_MS = 2_500;
const SECOND_FAULT_SHARE = 0.25;
/** The heartbeat timeout, after which lost attempts are taken up again, and a little more. */
const SECOND_FAULT_WITHIN_MS = 12_000;

const FAULTS: Readonly<Record<Shape, readonly (readonly [number, FaultKind])[]>> = {
  embedded: [
    [50, 'kill-node'],
    [20, 'kill-server'],
    [20, 'kill-both'],
    [10, 'terminate'],
  ],
  fleet: [
    [40, 'kill-node'],
    [12, 'kill-server'],
    [10, 'kill-both'],
    [14, 'kill-postgres'],
    [14, 'kill-redis'],
    [10, 'terminate'],
  ],
};

export function planRound(seed: string, round: number, callCount: number, shape: Shape): RoundPlan {
  const random = createRandom(`${seed}/round ${String(round)}`);
  return {
    round,
    faults: [
      planFault(random, shape, LOAD_MS),
      ...(random.chance(SECOND_FAULT_SHARE) ? [planFault(random, shape, SECOND_FAULT_WITHIN_MS)] : []),
    ],
    network: random.chance(0.4) ? planNetworkFault(random) : null,
    calls: Array.from({ length: callCount }, (_, index) => planCall(random, `r${String(round)}c${String(index)}`)),
  };
}

function planFault(random: Random, shape: Shape, withinMs: number): FaultPlan {
  return {
    kind: random.weighted(FAULTS[shape]),
    atMs: random.between(200, withinMs),
    node: random.between(0, 1),
  };
}

function planNetworkFault(random: Random): RoundPlan['network'] {
  const kind = random.weighted<NetworkFaultKind>([
    [1, 'refuse'],
    [1, 'reset'],
    [1, 'black-hole'],
    [1, 'slow'],
  ]);
  return { kind, atMs: random.between(0, LOAD_MS), forMs: random.between(200, 2_500) };
}

function planCall(random: Random, nonce: string): CallPlan {
  const isKeyed = random.chance(0.7);
  const first = planSubmission(random, random.between(0, LOAD_MS));
  const copies = isKeyed && random.chance(0.4) ? random.between(1, 3) : 0;
  return {
    nonce,
    model: random.weighted<CallModel>([
      [40, 'chaos'],
      [12, 'careful'],
      [12, 'failover'],
      [16, 'claude'],
      [20, 'background'],
    ]),
    isStream: random.chance(0.5),
    isKeyed,
    tenant: random.chance(0.35) ? 'tight' : 'open',
    submissions: [
      first,
      ...Array.from({ length: copies }, () =>
        planSubmission(random, first.atMs + (random.chance(0.5) ? 0 : random.between(50, 4_000))),
      ),
    ],
  };
}

function planSubmission(random: Random, atMs: number): SubmissionPlan {
  return { atMs, leaveAfterMs: random.chance(0.15) ? random.between(50, 1_500) : null, resumes: random.chance(0.6) };
}
