/** Prometheus metrics. Labels come from the configuration only, so their number is bounded by it. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { CallView } from '../core/ports/ledger/views.ts';

export interface Metrics {
  registry: Registry;
  callEnded(call: CallView): void;
  requestRefused(code: string): void;
  sweepEnded(report: Record<(typeof SWEPT)[number], number>): void;
}

const NANO_PER_USD = 1e9;
const SWEPT = ['started', 'settled', 'reconciled', 'abandoned'] as const;

export interface MetricSources {
  liveAttempts(): number;
  openChannels(): number;
  /** None where Redis is not used. */
  redisIsUp?: (() => boolean) | null;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const calls = new Counter({
    name: 'holdfast_calls_total',
    help: 'Calls that ended.',
    labelNames: ['kind', 'outcome', 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'holdfast_call_seconds',
    help: 'From acceptance to settlement.',
    labelNames: ['kind', 'outcome'],
    buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers,
  });
  const attempts = new Counter({
    name: 'holdfast_attempts_total',
    help: 'Attempts by how they ended.',
    labelNames: ['provider', 'state', 'code'],
    registers,
  });
  const firstToken = new Histogram({
    name: 'holdfast_first_token_seconds',
    help: 'From dispatch to the first byte of the answer.',
    labelNames: ['provider'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const tokens = new Counter({
    name: 'holdfast_tokens_total',
    help: 'Tokens as providers counted them.',
    labelNames: ['provider', 'counter'],
    registers,
  });
  const cost = new Counter({
    name: 'holdfast_cost_usd_total',
    help: 'Cost for orientation; the ledger has it exactly.',
    labelNames: ['provider', 'pricing'],
    registers,
  });
  const refused = new Counter({
    name: 'holdfast_requests_refused_total',
    help: 'Requests refused at the door.',
    labelNames: ['code'],
    registers,
  });
  const swept = new Counter({
    name: 'holdfast_swept_total',
    help: 'What the maintenance sweep put right.',
    labelNames: ['what'],
    registers,
  });
  new Gauge({
    name: 'holdfast_live_attempts',
    help: 'Attempts in flight in this process.',
    registers,
    collect() {
      this.set(sources.liveAttempts());
    },
  });
  new Gauge({
    name: 'holdfast_open_channels',
    help: 'Calls that this process streams or waits for.',
    registers,
    collect() {
      this.set(sources.openChannels());
    },
  });
  const { redisIsUp } = sources;
  if (redisIsUp) {
    new Gauge({
      name: 'holdfast_redis_up',
      help: '1 while Redis answers; at 0 this node keeps its limits by itself.',
      registers,
      collect() {
        this.set(redisIsUp() ? 1 : 0);
      },
    });
  }

  return {
    registry,
    callEnded(call) {
      const outcome = call.outcome ?? 'failed';
      calls.inc({ kind: call.kind, outcome, code: call.error?.code ?? 'none' });
      if (call.endedAt)
        seconds.observe({ kind: call.kind, outcome }, (Date.parse(call.endedAt) - Date.parse(call.createdAt)) / 1000);
      for (const attempt of call.attempts) {
        const { provider, state } = attempt;
        attempts.inc({ provider, state, code: attempt.errorCode ?? 'none' });
        if (attempt.firstTokenAt)
          firstToken.observe({ provider }, (Date.parse(attempt.firstTokenAt) - Date.parse(attempt.startedAt)) / 1000);
        for (const [counter, count] of Object.entries<number>({ ...attempt.usage }))
          if (count > 0) tokens.inc({ provider, counter }, count);
        cost.inc({ provider, pricing: attempt.pricing }, Number(attempt.costNanoUsd) / NANO_PER_USD);
      }
    },
    requestRefused(code) {
      refused.inc({ code });
    },
    sweepEnded(report) {
      for (const what of SWEPT) swept.inc({ what }, report[what]);
    },
  };
}
