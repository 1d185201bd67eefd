/** The allow-list of payloads: the fields of a call that are decisions. Everything else in a payload is content. */
import type {
  Admission,
  AttemptOrder,
  AttemptOutcome,
  AttemptSummary,
  CallInput,
  CallResult,
  CallTimeouts,
  Candidate,
  CredentialChoice,
  Principal,
  RetryPolicy,
  RoutePlan,
  Settlement,
} from '../../core/call/types.ts';
import { errorTable, type ErrorRecord } from '../../core/errors.ts';
import type { Wire } from '../../core/chat.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { fields, figure, hidden, listOf, matching, oneOf, type Rule } from './rules.ts';

export const ERROR_CODES: readonly string[] = Object.keys(errorTable);

const WIRES: readonly Wire[] = [
  'openai-chat',
  'openai-embeddings',
  'openai-responses',
  'anthropic-messages',
  'gemini-generate',
];
const code = oneOf(ERROR_CODES);
/** Nano-USD as a decimal string. */
const amount = matching(/^\d{1,20}$/);
/** A provider of the configuration, or a provider's model. */
export const candidateName = matching(/^[\w.:/@+=-]{1,200}$/);
export const outcome = oneOf(['succeeded', 'failed', 'denied', 'cancelled', 'timed_out']);
export const kind = oneOf(['chat', 'embedding']);
const onUnknown = oneOf(['recover', 'retry', 'fail']);

const attemptSummary = fields<AttemptSummary>({ attempt: figure, candidate: candidateName, code });

export const errorRecord = fields<ErrorRecord>({
  code,
  message: hidden,
  source: oneOf(['gateway', 'provider']),
  status: figure,
  retryAfterMs: figure,
  param: hidden,
  details: fields<{ attempts: unknown }>({ attempts: listOf(attemptSummary) }),
});

export const candidate = fields<Candidate>({
  provider: candidateName,
  model: candidateName,
  worstCaseNanoUsd: amount,
  background: figure,
});

/** `env:` and `secret:` stay, the name after it does not. */
const credential: Rule = (value, hide) => {
  const [, source, name] = typeof value === 'string' ? (/^(env|secret):(.*)$/s.exec(value) ?? []) : [];
  return source !== undefined && name !== undefined ? `${source}:${hide(name)}` : hidden(value, hide);
};
export const credentialChoice = fields<CredentialChoice>({ credential });

const timeouts = fields<CallTimeouts>({ connectMs: figure, firstTokenMs: figure, idleMs: figure, totalMs: figure });

const plan = fields<RoutePlan>({
  decisionId: hidden,
  requestRef: hidden,
  candidates: listOf(candidate),
  first: credentialChoice,
  retries: fields<RetryPolicy>({
    maxAttempts: figure,
    initialBackoffMs: figure,
    maxBackoffMs: figure,
    maxRetryAfterMs: figure,
  }),
  timeouts,
  onUnknown,
  restartsStreams: figure,
  team: hidden,
  user: hidden,
});

export const admission = fields<Admission>({ allowed: figure, plan, decisionId: hidden, error: errorRecord });

/** `model` is what the caller wrote. */
export const callInput = fields<CallInput>({
  callId: hidden,
  kind,
  model: hidden,
  principal: fields<Principal>({ tenant: hidden, key: hidden, models: hidden, team: hidden }),
  requestRef: hidden,
  inline: fields<CallRequest>({
    wire: oneOf(WIRES),
    body: hidden,
    stream: figure,
    wireHeaders: hidden,
    outputBound: figure,
  }),
  tags: hidden,
  takesRollbacks: figure,
  mode: oneOf(['background']),
  admission,
});

export const callResult = fields<CallResult>({
  callId: hidden,
  outcome,
  answerRef: hidden,
  error: errorRecord,
  provider: candidateName,
  model: candidateName,
  attempts: figure,
  costNanoUsd: amount,
  pricing: oneOf(['priced', 'estimated', 'unpriced']),
});

export const settlement = fields<Settlement>({ callId: hidden, outcome, answerRef: hidden, error: errorRecord });

export const order = fields<AttemptOrder>({
  callId: hidden,
  tenant: hidden,
  key: hidden,
  team: hidden,
  user: hidden,
  requestRef: hidden,
  order: figure,
  candidate,
  credential,
  timeouts,
  deadlineAt: figure,
  onUnknown,
});

export const attemptOutcome = fields<AttemptOutcome>({
  status: oneOf(['pending', 'answered', 'failed']),
  attempt: figure,
  result: callResult,
  error: errorRecord,
  retryable: figure,
  failOver: figure,
  delivered: figure,
  late: figure,
});
