import { describe, expect, it } from 'vitest';
import type { AttemptView, CallView } from '../core/ports/ledger/views.ts';
import { NO_USAGE } from '../core/usage.ts';
import { createMetrics } from './metrics.ts';

const attempt = (extra: Partial<AttemptView> = {}): AttemptView => ({
  n: 1,
  order: 1,
  provider: 'openai',
  model: 'gpt-4o',
  credential: 'env:KEY@1',
  state: 'settled',
  startedAt: '2026-01-01T00:00:00.000Z',
  firstTokenAt: '2026-01-01T00:00:00.300Z',
  endedAt: '2026-01-01T00:00:01.000Z',
  usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
  costNanoUsd: '1500000000',
  pricing: 'priced',
  ...extra,
});

const call = (extra: Partial<CallView> = {}): CallView => ({
  id: 'call_1',
  tenant: 'acme-tenant',
  kind: 'chat',
  model: 'smart-alias',
  state: 'ended',
  outcome: 'succeeded',
  createdAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:00:02.000Z',
  costNanoUsd: '1500000000',
  pricing: 'priced',
  error: null,
  key: 'app-key',
  tags: { team: 'tag-value' },
  requestRef: 'p_r',
  answerRef: 'p_a',
  attempts: [attempt()],
  ...extra,
});

async function textAfter(use: (metrics: ReturnType<typeof createMetrics>) => void): Promise<string> {
  const metrics = createMetrics({ liveAttempts: () => 3, openChannels: () => 4 });
  use(metrics);
  return metrics.registry.metrics();
}

describe('a call that ended', () => {
  it('is counted with its time, its attempts, its tokens and its cost', async () => {
    const text = await textAfter((metrics) => {
      metrics.callEnded(call());
      metrics.callEnded(call());
    });
    expect(text).toContain('holdfast_calls_total{kind="chat",outcome="succeeded",code="none"} 2');
    expect(text).toContain('holdfast_call_seconds_sum{kind="chat",outcome="succeeded"} 4');
    expect(text).toContain('holdfast_attempts_total{provider="openai",state="settled",code="none"} 2');
    expect(text).toContain('holdfast_first_token_seconds_sum{provider="openai"} 0.6');
    expect(text).toContain('holdfast_tokens_total{provider="openai",counter="inputTokens"} 20');
    expect(text).toContain('holdfast_tokens_total{provider="openai",counter="outputTokens"} 10');
    expect(text).not.toContain('counter="reasoningTokens"');
    expect(text).toContain('holdfast_cost_usd_total{provider="openai",pricing="priced"} 3');
  });

  it('after a failover shows each attempt under its provider and code', async () => {
    const failed = attempt({
      provider: 'claude',
      state: 'failed',
      errorCode: 'provider_unavailable',
      usage: null,
      costNanoUsd: '0',
      pricing: 'unpriced',
    });
    const { firstTokenAt: _none, ...silent } = failed;
    const text = await textAfter((metrics) => metrics.callEnded(call({ attempts: [silent, attempt({ n: 2 })] })));
    expect(text).toContain('holdfast_attempts_total{provider="claude",state="failed",code="provider_unavailable"} 1');
    expect(text).toContain('holdfast_attempts_total{provider="openai",state="settled",code="none"} 1');
    expect(text).not.toContain('holdfast_first_token_seconds_count{provider="claude"}');
  });

  it('after an attempt whose outcome was lost shows it as that', async () => {
    const lost = attempt({ state: 'unknown', errorCode: 'provider_timeout', usage: null, costNanoUsd: '0' });
    const text = await textAfter((metrics) => metrics.callEnded(call({ attempts: [lost, attempt({ n: 2 })] })));
    expect(text).toContain('holdfast_attempts_total{provider="openai",state="unknown",code="provider_timeout"} 1');
  });

  it('without a provider, such as one denied, is counted with its code', async () => {
    const error = { code: 'budget_exceeded', message: 'full', source: 'gateway' } as const;
    const text = await textAfter((metrics) => metrics.callEnded(call({ outcome: 'denied', error, attempts: [] })));
    expect(text).toContain('holdfast_calls_total{kind="chat",outcome="denied",code="budget_exceeded"} 1');
    expect(text).not.toContain('holdfast_attempts_total{');
  });

  it('gives no label that callers choose: no id, tenant, key, alias, tag or message', async () => {
    const error = { code: 'provider_rejected', message: 'a-message', source: 'provider' } as const;
    const text = await textAfter((metrics) => metrics.callEnded(call({ outcome: 'failed', error })));
    expect(text).not.toMatch(/call_1|acme-tenant|app-key|smart-alias|tag-value|a-message|p_r|env:KEY/);
  });
});

it('gauges are read when they are asked for', async () => {
  let live = 1;
  const metrics = createMetrics({ liveAttempts: () => live, openChannels: () => 9 });
  expect(await metrics.registry.metrics()).toContain('holdfast_live_attempts 1');
  live = 5;
  const text = await metrics.registry.metrics();
  expect(text).toContain('holdfast_live_attempts 5');
  expect(text).toContain('holdfast_open_channels 9');
});

it('refusals and sweeps are counted', async () => {
  const text = await textAfter((metrics) => {
    metrics.requestRefused('unauthenticated');
    metrics.requestRefused('unauthenticated');
    metrics.sweepEnded({ started: 1, settled: 0, reconciled: 3, abandoned: 2 });
    metrics.sweepEnded({ started: 1, settled: 0, reconciled: 0, abandoned: 0 });
  });
  expect(text).toContain('holdfast_requests_refused_total{code="unauthenticated"} 2');
  expect(text).toContain('holdfast_swept_total{what="started"} 2');
  expect(text).toContain('holdfast_swept_total{what="settled"} 0');
  expect(text).toContain('holdfast_swept_total{what="reconciled"} 3');
  expect(text).toContain('holdfast_swept_total{what="abandoned"} 2');
});

it('two nodes in one process do not share figures', async () => {
  await textAfter((metrics) => metrics.requestRefused('not_found'));
  expect(await textAfter(() => undefined)).not.toContain('code="not_found"');
});
