/** The JSON of a call as the API gives it, for the OpenAPI document. */
import { z } from 'zod';
import { ATTEMPT_STATES } from '../../../core/ports/ledger/views.ts';

const nanoUsd = z.string().describe('nano-USD as a decimal string');
const pricing = z.enum(['priced', 'estimated', 'unpriced']);

const usage = z.object({
  inputTokens: z.number(),
  cacheReadTokens: z.number(),
  cacheWriteTokens: z.number(),
  outputTokens: z.number(),
  reasoningTokens: z.number(),
  inputAudioTokens: z.number(),
  outputAudioTokens: z.number(),
});

const attemptSchema = z.object({
  n: z.number(),
  order: z.number(),
  provider: z.string(),
  model: z.string(),
  credential: z.string().nullable(),
  state: z.enum(ATTEMPT_STATES),
  errorCode: z.string().optional(),
  startedAt: z.string(),
  firstTokenAt: z.string().optional(),
  endedAt: z.string().optional(),
  usage: usage.nullable(),
  costNanoUsd: nanoUsd,
  pricing,
});

export const callSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  kind: z.enum(['chat', 'embedding']),
  model: z.string(),
  state: z.enum(['accepted', 'admitted', 'running', 'ended']),
  outcome: z.enum(['succeeded', 'failed', 'denied', 'cancelled', 'timed_out']).nullable(),
  createdAt: z.string(),
  endedAt: z.string().nullable(),
  costNanoUsd: nanoUsd,
  pricing,
  error: z.object({ code: z.string(), message: z.string(), source: z.string() }).nullable(),
  key: z.string().nullable(),
  tags: z.record(z.string(), z.string()),
  erasedAt: z.string().optional().describe('when its content was erased; its figures stay'),
  attempts: z.array(attemptSchema),
});
