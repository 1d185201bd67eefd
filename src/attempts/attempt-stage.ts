/** Test support: the attempt runner in a world that follows a script and writes down what was done. */
import type { AttemptOrder } from '../core/call/types.ts';
import type { JsonObject } from '../core/json.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type {
  AttemptLease,
  AttemptReview,
  OpenAttemptInput,
  OpenAttemptResult,
  RecordAnswerInput,
  RecordFailureInput,
} from '../core/ports/ledger/attempts.ts';
import type { AttemptState, CallView } from '../core/ports/ledger/views.ts';
import { ProviderFailureError } from '../core/ports/provider.ts';
import type { CallRequest, ProviderAnswer, ProviderFailure } from '../core/ports/provider.ts';
import type { BusMessage } from '../core/ports/stream-bus.ts';
import type {
  AskInput,
  AskResult,
  DispatchInput,
  DispatchResult,
  FollowInput,
  FollowResult,
} from '../providers/dispatch/dispatcher.ts';
import { providerAdapters } from '../providers/registry.ts';
import { createMemoryStreamBus } from '../stores/memory/stream-bus.ts';
import { createAttemptRunner, type AttemptDeps } from './run-attempt.ts';

export const ORDER: AttemptOrder = {
  callId: 'call_1',
  tenant: 'acme',
  key: 'app',
  requestRef: 'p_request',
  order: 1,
  candidate: { provider: 'sim', model: 'sim-small', worstCaseNanoUsd: '5000' },
  credential: 'env:KEY',
  timeouts: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 9_000 },
  deadlineAt: 10_000,
  onUnknown: 'recover',
};
export const REQUEST: CallRequest = {
  wire: 'openai-chat',
  stream: true,
  body: { model: 'small', messages: [{ role: 'user', content: 'a prompt to keep private' }] },
};
export const ANSWER: ProviderAnswer = {
  wire: 'openai-chat',
  body: { id: 'r1' },
  chat: null,
  usage: null,
  rawUsage: null,
  responseId: 'r1',
  model: 'sim-small-2026',
  serviceTier: null,
};
export const CHARGE = {
  usage: null,
  rawUsage: null,
  costNanoUsd: 7n,
  pricing: 'priced',
  catalogue: 'c',
  serviceTier: null,
} as const;
export const ENDED_CALL: CallView = {
  id: 'call_1',
  tenant: 'acme',
  kind: 'chat',
  model: 'small',
  state: 'ended',
  outcome: 'succeeded',
  createdAt: '2026-11-20T12:00:00.000Z',
  endedAt: '2026-11-20T12:00:01.000Z',
  costNanoUsd: '7',
  pricing: 'priced',
  error: null,
  key: 'app',
  tags: {},
  requestRef: 'p_request',
  answerRef: 'p_answer',
  attempts: [],
};
export const LEASE: AttemptLease = { callId: 'call_1', attempt: 1, epoch: 1 };
export const SECOND: AttemptLease = { callId: 'call_1', attempt: 2, epoch: 1 };
export const DISPATCHED = { status: 'dispatched', lease: LEASE } satisfies OpenAttemptResult;
export const INTERRUPTED = {
  status: 'interrupted',
  lease: LEASE,
  responseId: null,
  delivered: false,
} satisfies OpenAttemptResult;
export const answeredBy: DispatchResult = { status: 'answered', answer: ANSWER, firstTokenAt: 99 };
export const failedBy = (failure: Partial<ProviderFailure> = {}, extra: Partial<DispatchResult> = {}): DispatchResult =>
  ({
    status: 'failed',
    failure: { code: 'provider_unavailable', message: 'it broke', retryable: true, failOver: true, ...failure },
    unknown: false,
    late: false,
    partial: null,
    firstTokenAt: null,
    ...extra,
  }) as DispatchResult;

/** A connection that broke after bytes had left. */
export const BROKEN: Extract<AskResult<never>, { status: 'failed' }> = {
  status: 'failed',
  failure: { code: 'provider_unavailable', message: 'it broke', retryable: true, failOver: true },
  unknown: true,
  late: false,
};

export type Reply = { body: JsonObject } | Extract<AskResult<never>, { status: 'failed' }> | StreamReply;

/** Events, and how their connection ended where it was not with them. */
export interface StreamReply {
  events: (JsonObject | string)[];
  end?: Extract<AskResult<never>, { status: 'failed' }>;
  /** What happens before the event of this place. */
  before?: Record<number, () => void>;
}

export interface Scene {
  opens?: OpenAttemptResult[];
  fenced?: AttemptLease | null;
  /** The state that the ledger shows of attempt 1. */
  state?: AttemptState;
  /** Whether the record of an answer or a failure is accepted. */
  written?: boolean;
  dispatch?: (input: DispatchInput) => Promise<DispatchResult>;
  /** What the provider says when it is asked, in turn. */
  replies?: Reply[];
  /** How the ledger says that the order stands. */
  review?: AttemptReview | null;
  request?: CallRequest;
  /** Default 1 MiB. */
  maxAnswerBytes?: number;
  deps?: Partial<AttemptDeps>;
}

export function stage({
  opens = [DISPATCHED],
  fenced = null,
  state = 'unknown',
  written = true,
  dispatch,
  ...scene
}: Scene) {
  const { replies = [], review = null, request = REQUEST, maxAnswerBytes = 1024 * 1024, deps = {} } = scene;
  const steps: string[] = [];
  const opened: OpenAttemptInput[] = [];
  const answers: RecordAnswerInput[] = [];
  const failures: RecordFailureInput[] = [];
  const sent: DispatchInput[] = [];
  const followed: FollowInput<unknown>[] = [];
  const pauses: number[] = [];
  const published: BusMessage[] = [];
  const queue = [...opens];
  const ledger = {
    openAttempt(input: OpenAttemptInput) {
      steps.push('open');
      opened.push(input);
      const next = queue.shift();
      return next ? Promise.resolve(next) : Promise.reject(new Error('opened once too often'));
    },
    fence() {
      steps.push('fence');
      return Promise.resolve(fenced);
    },
    markStreaming(_lease: AttemptLease, responseId: string | null) {
      steps.push(`streaming ${String(responseId)}`);
      return Promise.resolve({ written: true });
    },
    reviewAttempt: () => Promise.resolve(review),
    getCall: () => Promise.resolve({ attempts: [{ n: 1, state }] }),
    recordAnswer(input: RecordAnswerInput) {
      steps.push('answer');
      answers.push(input);
      return Promise.resolve(written ? { written, call: ENDED_CALL } : { written, reason: 'fenced' });
    },
    recordFailure(input: RecordFailureInput) {
      steps.push('failure');
      failures.push(input);
      return Promise.resolve(written ? { written } : { written, reason: 'fenced' });
    },
  } as unknown as Ledger;
  const bus = createMemoryStreamBus();
  const defects: unknown[] = [];
  const ended: string[] = [];
  const runner = createAttemptRunner({
    ledger,
    payloads: {
      get: () => Promise.resolve(Buffer.from(JSON.stringify(request))),
      put: () => Promise.reject(new Error('nothing is put here')),
    },
    bus: {
      ...bus,
      publish(callId, message) {
        published.push(message);
        return bus.publish(callId, message);
      },
    },
    dispatcher: {
      maxAnswerBytes,
      dispatch(input) {
        steps.push('dispatch');
        sent.push(input);
        return dispatch ? dispatch(input) : Promise.resolve(answeredBy);
      },
      ask<T>(input: AskInput<T>): Promise<AskResult<T>> {
        const { method, url } = input.query;
        steps.push(`${method} ${new URL(url).pathname}`);
        const said = replies.shift();
        if (said === undefined || 'events' in said) return Promise.reject(new Error('asked once too often'));
        if ('status' in said) return Promise.resolve(said as AskResult<T>);
        return Promise.resolve({ status: 'answered', value: input.decode(JSON.stringify(said.body)) });
      },
      async follow<T>(input: FollowInput<T>): Promise<FollowResult<T>> {
        const { method, url } = input.query;
        const { pathname, search } = new URL(url);
        steps.push(`${method} ${pathname}${search}`);
        followed.push(input);
        const said = replies.shift();
        if (said === undefined) throw new Error('asked once too often');
        if ('status' in said) return said;
        if ('body' in said) return { status: 'answered', value: input.decode(JSON.stringify(said.body)) };
        return readEvents(input, said);
      },
      close: () => Promise.resolve(),
    },
    pause(ms: number) {
      pauses.push(ms);
      return Promise.resolve();
    },
    adapters: providerAdapters,
    providerNamed: (name) => ({
      name,
      kind: 'simulated',
      baseUrl: 'http://127.0.0.1:1/v1',
      apiKey: 'env:KEY',
      headers: {},
    }),
    resolveCredential: (name) => Promise.resolve({ name, version: 3, reveal: () => 'The.Secret-Value' }),
    budgetsOf: () => [],
    charge: () => CHARGE,
    owner: 'host:1:2',
    payloadTtlMs: 1_000,
    now: () => 1_000,
    onCallEnd: ({ id }) => ended.push(id),
    onDefect: (error) => defects.push(error),
    ...deps,
  });
  const run = (order: Partial<AttemptOrder> = {}, signal = new AbortController().signal) =>
    runner.run({ ...ORDER, ...order }, signal);
  return {
    run,
    runner,
    ledger,
    bus,
    steps,
    opened,
    answers,
    failures,
    sent,
    followed,
    pauses,
    published,
    defects,
    ended,
  };
}

async function readEvents<T>(
  input: FollowInput<T>,
  { events, end, before = {} }: StreamReply,
): Promise<FollowResult<T>> {
  try {
    for (const [place, event] of events.entries()) {
      before[place]?.();
      if (input.signal.aborted) return BROKEN;
      const data = typeof event === 'string' ? event : JSON.stringify(event);
      if (!(await input.onEvent({ data }))) return { status: 'streamed' };
    }
  } catch (error) {
    if (!(error instanceof ProviderFailureError)) throw error;
    return { ...BROKEN, failure: error.failure };
  }
  return end ?? { status: 'streamed' };
}
