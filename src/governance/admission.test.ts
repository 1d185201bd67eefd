import { describe, expect, it } from 'vitest';
import { parseSettings } from '../config/load.ts';
import { HoldfastError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { BudgetSpec, BudgetStatus } from '../core/ports/ledger/budgets.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import type { Principal } from '../core/call/types.ts';
import type { BudgetSettings } from '../core/settings.ts';
import { createPriceBook } from '../ledger/pricing/price-book.ts';
import { providerAdapters } from '../providers/registry.ts';
import { hasOpenPrice } from '../providers/open-price.ts';
import { requiredCapabilities } from '../providers/required-capabilities.ts';
import { credentialOf, decideAdmission, type AdmissionDeps } from './admission.ts';
import { allowedModelsPolicy, type PolicyRequest } from './policy.ts';
import { maxInputTokens } from './request-bounds.ts';

const settings = parseSettings(
  `
providers:
  openai: { kind: openai, apiKey: env:KEY }
  claude: { kind: anthropic, apiKey: secret:claude }
  local: { kind: openai-compatible, baseUrl: "http://127.0.0.1:1/v1", allowPrivateAddress: true }
models:
  smart: { targets: [{ provider: openai, model: gpt-4o }, { provider: claude, model: claude-sonnet-4-5 }] }
  cheap-then-free: { targets: [{ provider: local, model: own-model }, { provider: openai, model: gpt-4o-mini }] }
  free: { targets: [{ provider: local, model: own-model }] }
  bounded: { targets: [{ provider: openai, model: gpt-4o }], maxOutputTokens: 100 }
`,
  'test',
  { env: { KEY: 'k' }, adapters: providerAdapters },
);
const prices = createPriceBook({});
const standing = ({ scope, period, limitNanoUsd }: BudgetSpec): BudgetStatus => ({
  scope,
  period,
  timeZone: 'UTC',
  limitNanoUsd: limitNanoUsd.toString(),
  heldNanoUsd: '20',
  spentNanoUsd: '3',
  resetsAt: '2030-01-01T00:00:00.000Z',
});
const asked: PolicyRequest[] = [];
const deps: AdmissionDeps = {
  settings,
  adapters: providerAdapters,
  policy: {
    decide(request) {
      asked.push(request);
      return allowedModelsPolicy.decide(request);
    },
  },
  requiredCapabilities,
  hasOpenPrice,
  worstCase: (query) => prices.worstCaseNanoUsd(query),
  budgetStatus: (budgets) => Promise.resolve(budgets.map(standing)),
  newDecisionId: () => 'dec_1',
};
const anyone: Principal = { tenant: 'acme', key: 'app', models: null };
const chat = (extra: JsonObject = {}): JsonObject => ({ messages: [{ role: 'user', content: 'hi' }], ...extra });
const asOpenAi = (canonical: JsonObject) =>
  ({ request: { wire: 'openai-chat', stream: false, body: canonical }, canonical }) as const;
const budget = (extra: Partial<BudgetSettings> = {}): BudgetSettings => ({
  scope: 'tenant:acme',
  period: 'day',
  timeZone: 'UTC',
  limitNanoUsd: 1n,
  hard: true,
  alertAt: [],
  allowUnbounded: false,
  ...extra,
});

async function decide(
  model: string,
  options: {
    canonical?: JsonObject;
    request?: CallRequest;
    budgets?: BudgetSettings[];
    principal?: Principal;
    kind?: 'chat' | 'embedding';
  } = {},
) {
  const { canonical = chat({ max_tokens: 10 }), budgets = [], principal = anyone, kind = 'chat' } = options;
  const asked = { ...asOpenAi(canonical), ...(options.request && { request: options.request }) };
  return decideAdmission(deps, { input: { kind, model, principal }, ...asked, budgets });
}

async function planOf(...args: Parameters<typeof decide>) {
  const admission = await decide(...args);
  if (!admission.allowed) throw new Error(`denied: ${admission.error.message}`);
  return admission.plan;
}

async function denialOf(...args: Parameters<typeof decide>) {
  const admission = await decide(...args);
  if (admission.allowed) throw new Error('it was allowed');
  return admission;
}

describe('policy', () => {
  it('denies a model that the key may not name, with the policy, the decision and what it may name', async () => {
    const denial = await denialOf('smart', { principal: { ...anyone, models: ['free', 'bounded'] } });
    expect(denial).toMatchObject({
      decisionId: 'dec_1',
      error: {
        code: 'permission_denied',
        source: 'gateway',
        details: { policy: 'allowed-models', decisionId: 'dec_1' },
      },
    });
    expect(denial.error.message).toContain('may use: free, bounded');
  });

  it('denies everything to a key with an empty list, and `provider/model` to one that lists only aliases', async () => {
    expect((await denialOf('smart', { principal: { ...anyone, models: [] } })).error.message).toContain('none');
    const listed = { ...anyone, models: ['smart'] };
    expect((await denialOf('openai/gpt-4o', { principal: listed })).error.code).toBe('permission_denied');
    expect((await planOf('smart', { principal: listed })).candidates).toHaveLength(2);
  });

  it('decides before anything is told about the model: an unknown one looks the same to who may not name it', async () => {
    const denial = await denialOf('no-such-model', { principal: { ...anyone, models: ['smart'] } });
    expect(denial.error.code).toBe('permission_denied');
  });

  it('is asked with who, what and the tags', async () => {
    asked.length = 0;
    const input = { kind: 'chat' as const, model: 'smart', principal: anyone, tags: { team: 'x' } };
    await decideAdmission(deps, { input, ...asOpenAi(chat()), budgets: [] });
    expect(asked).toEqual([{ principal: anyone, kind: 'chat', model: 'smart', tags: { team: 'x' } }]);
  });

  it('that fails is a defect and no denial', async () => {
    const broken = { ...deps, policy: { decide: () => Promise.reject(new Error('engine down')) } };
    const request = {
      input: { kind: 'chat' as const, model: 'smart', principal: anyone },
      ...asOpenAi(chat()),
      budgets: [],
    };
    await expect(decideAdmission(broken, request)).rejects.toThrow('engine down');
  });
});

describe('the route', () => {
  it('keeps the order of the targets and takes retries, timeouts and the first credential along', async () => {
    const plan = await planOf('smart');
    expect(plan.candidates.map(({ provider, model }) => `${provider}/${model}`)).toEqual([
      'openai/gpt-4o',
      'claude/claude-sonnet-4-5',
    ]);
    expect(plan).toMatchObject({
      decisionId: 'dec_1',
      first: { credential: 'env:KEY' },
      retries: settings.defaultRoute.retries,
      timeouts: settings.defaultRoute.timeouts,
      onUnknown: 'recover',
    });
    expect(plan.candidates.map((candidate) => credentialOf(settings, candidate))).toEqual(['env:KEY', 'secret:claude']);
  });

  it('of `provider/model` is that one target, slashes in the model included', async () => {
    expect((await planOf('local/org/model')).candidates).toMatchObject([{ provider: 'local', model: 'org/model' }]);
  });

  it.each([['nope'], ['nope/gpt-4o'], ['openai/'], ['/gpt-4o'], ['']])('of %j does not exist', async (model) => {
    expect((await denialOf(model)).error).toMatchObject({ code: 'not_found', param: 'model' });
  });

  it('leaves out targets that cannot do what is asked', async () => {
    const several = chat({ n: 2, max_tokens: 10 });
    expect((await planOf('smart', { canonical: several })).candidates.map(({ provider }) => provider)).toEqual([
      'openai',
    ]);
  });

  it('names the missing capability when no target is left', async () => {
    const canonical = { input: 'text' };
    const { error } = await denialOf('claude/claude-sonnet-4-5', { canonical, kind: 'embedding' });
    expect(error).toMatchObject({ code: 'capability_missing', param: 'model', details: { missing: ['embeddings'] } });
  });
});

describe('the worst case', () => {
  const amount = (value: string | null | undefined) => BigInt(value ?? 'x');

  it('is each candidate own price for the bounds of the request', async () => {
    const canonical = chat({ max_tokens: 1_000 });
    const { candidates } = await planOf('smart', { canonical });
    const inputTokens = maxInputTokens(canonical);
    for (const { provider: name, model, worstCaseNanoUsd } of candidates) {
      const provider = settings.providers.get(name);
      if (!provider) throw new Error('no provider');
      const expected = prices.worstCaseNanoUsd({ provider, model, inputTokens, maxOutputTokens: 1_000 });
      expect(amount(worstCaseNanoUsd)).toBe(expected);
    }
    expect(new Set(candidates.map(({ worstCaseNanoUsd }) => worstCaseNanoUsd)).size).toBe(2);
  });

  it('takes the bound of the route, then of the model, where the request has none', async () => {
    const unbounded = await planOf('openai/gpt-4o', { canonical: chat() });
    const byRoute = await planOf('bounded', { canonical: chat() });
    const byRequest = await planOf('bounded', { canonical: chat({ max_tokens: 100 }) });
    expect(byRoute.candidates[0]?.worstCaseNanoUsd).toBe(byRequest.candidates[0]?.worstCaseNanoUsd);
    expect(amount(unbounded.candidates[0]?.worstCaseNanoUsd)).toBeGreaterThan(
      amount(byRoute.candidates[0]?.worstCaseNanoUsd),
    );
  });

  it('is that of a dearer service tier where the request asks for one, and never of a cheaper', async () => {
    const worst = async (tier: JsonObject) =>
      amount(
        (await planOf('smart', { canonical: chat({ max_tokens: 1_000, ...tier }) })).candidates[0]?.worstCaseNanoUsd,
      );
    const standard = await worst({});
    expect(await worst({ service_tier: 'priority' })).toBe(2n * standard);
    expect(await worst({ service_tier: 'flex' })).toBe(standard);
  });

  it("is null for a candidate on the request's own wire where that is to run tools, and bounded where they are left out", async () => {
    const body = { max_tokens: 100, tools: [{ type: 'web_search_20250305', name: 'web_search' }] };
    const request: CallRequest = { wire: 'anthropic-messages', stream: false, body };
    const { candidates } = await planOf('smart', { request });
    expect(candidates).toMatchObject([
      { provider: 'openai', worstCaseNanoUsd: expect.any(String) as string },
      { provider: 'claude', worstCaseNanoUsd: null },
    ]);
    const strict = await planOf('smart', { request, budgets: [budget()] });
    expect(strict.candidates.map(({ provider }) => provider)).toEqual(['openai']);
  });

  it('is null without a price', async () => {
    expect((await planOf('free')).candidates).toMatchObject([{ worstCaseNanoUsd: null }]);
  });
});

describe('a hard budget', () => {
  it('refuses a call without a price, with its figures, and says what would help', async () => {
    const open = budget({ scope: 'key:acme-app', hard: false });
    const { error } = await denialOf('free', { budgets: [open, budget({ limitNanoUsd: 50n })] });
    expect(error).toMatchObject({ code: 'budget_exceeded' });
    expect(error.details).toEqual({
      scope: 'tenant:acme',
      period: 'day',
      timeZone: 'UTC',
      limitNanoUsd: '50',
      heldNanoUsd: '20',
      spentNanoUsd: '3',
      resetsAt: '2030-01-01T00:00:00.000Z',
    });
    expect(error.message).toMatch(/max_tokens.*price override.*allowUnbounded/);
  });

  it('whose standing the ledger cannot tell is a failure and no denial', async () => {
    const away: AdmissionDeps = {
      ...deps,
      budgetStatus: () => Promise.reject(new HoldfastError('engine_unavailable', 'gone')),
    };
    const input = { kind: 'chat' as const, model: 'free', principal: anyone };
    const decided = decideAdmission(away, { input, ...asOpenAi(chat()), budgets: [budget()] });
    await expect(decided).rejects.toThrow('gone');
  });

  it('drops the candidates without a price where others have one, and their credential is chosen', async () => {
    const plan = await planOf('cheap-then-free', { budgets: [budget()] });
    expect(plan.candidates.map(({ provider }) => provider)).toEqual(['openai']);
    expect(plan.first.credential).toBe('env:KEY');
  });

  it.each<[string, BudgetSettings[]]>([
    ['it allows unbounded calls', [budget({ allowUnbounded: true })]],
    ['it is soft', [budget({ hard: false })]],
    ['there is none', []],
  ])('lets a call without a price through when %s', async (_, budgets) => {
    expect((await planOf('free', { budgets })).candidates).toHaveLength(1);
    expect((await planOf('cheap-then-free', { budgets })).candidates).toHaveLength(2);
  });

  it('refuses when one of several budgets is strict, and names that one', async () => {
    const budgets = [budget({ allowUnbounded: true }), budget({ scope: 'key:app' })];
    expect((await denialOf('free', { budgets })).error.details).toMatchObject({ scope: 'key:app' });
  });

  it('leaves its room to the ledger: a priced call passes here whatever the limit', async () => {
    expect((await planOf('smart', { budgets: [budget({ limitNanoUsd: 0n })] })).candidates).toHaveLength(2);
  });
});
