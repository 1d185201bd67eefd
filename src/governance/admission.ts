/** Whether a call may go ahead, and along which route: policy, capabilities, price bounds. Pure but for its ports. */
import type { Admission, CallInput, CallMode, Candidate, RoutePlan } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { BudgetLedger } from '../core/ports/ledger/budgets.ts';
import type { PriceBook } from '../core/ports/price-book.ts';
import type { Capability, CallRequest, ProviderAdapter } from '../core/ports/provider.ts';
import type { BudgetSettings, RouteSettings, Settings } from '../core/settings.ts';
import { routeOf } from '../routing/route.ts';
import type { Payer } from './paid-scopes.ts';
import type { PolicyEngine } from './policy.ts';
import { inputTokenBound, maxOutputTokens } from './request-bounds.ts';

export interface AdmissionDeps {
  settings: Settings;
  adapters: ReadonlyMap<string, ProviderAdapter>;
  policy: PolicyEngine;
  requiredCapabilities(canonical: JsonObject): ReadonlySet<Capability>;
  /** Whether a provider of the request's own wire is asked for what nobody can price beforehand. */
  hasOpenPrice(request: CallRequest): boolean;
  worstCase: PriceBook['worstCaseNanoUsd'];
  /** What the refusal of a request without bounds says. */
  budgetStatus: BudgetLedger['budgetStatus'];
  newDecisionId(): string;
}

export interface AdmissionRequest {
  input: Pick<CallInput, 'kind' | 'model' | 'principal' | 'tags' | 'takesRollbacks' | 'mode'>;
  request: CallRequest;
  canonical: JsonObject;
  /** Who pays beside tenant and key. */
  payer?: Pick<Payer, 'team' | 'user'>;
  budgets: readonly BudgetSettings[];
}

/**
 * Decides. A denial is a result; what it names goes to the caller. Budgets' room is the ledger's to check, and the
 * plan's `requestRef` the ledger's to fill in.
 */
export async function decideAdmission(deps: AdmissionDeps, request: AdmissionRequest): Promise<Admission> {
  const decisionId = deps.newDecisionId();
  const refusal = await refusalOf(deps.policy, request.input, decisionId);
  if (refusal) return deny(decisionId, refusal);
  let planned: Planned;
  try {
    planned = planRoute(deps, request, decisionId);
  } catch (error) {
    if (HoldfastError.is(error)) return deny(decisionId, error);
    throw error;
  }
  if ('plan' in planned) return { allowed: true, plan: { ...planned.plan, requestRef: '' } };
  return deny(decisionId, await withoutBounds(deps, planned.needsBounds));
}

/** Why the policy keeps this caller from such a call, `permission_denied`; null when it does not. */
export async function refusalOf(
  policy: PolicyEngine,
  { principal, kind, model, tags = {} }: Pick<CallInput, 'kind' | 'model' | 'principal' | 'tags'>,
  decisionId: string,
): Promise<HoldfastError | null> {
  const decision = await policy.decide({ principal, kind, model, tags });
  if (decision.effect === 'allow') return null;
  const details = { policy: decision.policy, decisionId };
  return new HoldfastError('permission_denied', decision.reason, { details });
}

/** A route, or the hard budget that lets none of its targets pass without bounds. */
type Planned = { plan: Omit<RoutePlan, 'requestRef'> } | { needsBounds: BudgetSettings };

function planRoute(
  deps: AdmissionDeps,
  { input, request, canonical, payer = {}, budgets }: AdmissionRequest,
  decisionId: string,
): Planned {
  const route = routeOf(deps.settings, input.model);
  const able = ableTargets(deps, route, canonical, input.mode);
  const inputTokens = inputTokenBound(canonical);
  const openWire = deps.hasOpenPrice(request) ? request.wire : null;
  const serviceTier = canonical['service_tier'];
  const candidates = able.map(({ provider, model, wire, maxOutput, worksAlone }): Candidate => {
    const outputTokens =
      input.kind === 'embedding' ? 0 : maxOutputTokens(canonical, route.maxOutputTokens ?? maxOutput);
    // On another wire that is left out, with a warning.
    const isBounded = inputTokens !== null && wire !== openWire;
    const worstCase = isBounded
      ? deps.worstCase({
          provider,
          model,
          inputTokens,
          maxOutputTokens: outputTokens,
          serviceTier: typeof serviceTier === 'string' ? serviceTier : null,
        })
      : null;
    const isLong = outputTokens !== null && outputTokens >= (route.background.fromOutputTokens ?? Infinity);
    return {
      provider: provider.name,
      model,
      worstCaseNanoUsd: worstCase === null ? null : worstCase.toString(),
      ...(worksAlone && (isLong || input.mode === 'background') && { background: true }),
    };
  });
  const strict = budgets.find(({ hard, allowUnbounded }) => hard && !allowUnbounded);
  const bounded = strict ? candidates.filter(({ worstCaseNanoUsd }) => worstCaseNanoUsd !== null) : candidates;
  if (strict && bounded.length === 0) return { needsBounds: strict };
  const [credential = null] = bounded.map((candidate) => credentialOf(deps.settings, candidate));
  const plan = {
    decisionId,
    candidates: bounded,
    first: { credential },
    retries: route.retries,
    timeouts: bounded.some(({ background }) => background)
      ? { ...route.timeouts, totalMs: route.background.totalMs }
      : route.timeouts,
    onUnknown: route.onUnknown,
    ...(input.takesRollbacks && { restartsStreams: true }),
    ...(payer.team !== undefined && { team: payer.team }),
    ...(payer.user !== undefined && { user: payer.user }),
  };
  return { plan };
}

async function withoutBounds(deps: AdmissionDeps, budget: BudgetSettings): Promise<HoldfastError> {
  const [status] = await deps.budgetStatus([budget]);
  return new HoldfastError(
    'budget_exceeded',
    `The hard budget of ${budget.scope} needs a known price and bounds on input and output. ` +
      'Send max_tokens, send files inline and not by URL or id, leave out tools that the provider runs and what changes its prices, add a price override, or set allowUnbounded on the budget.',
    { details: { ...status } },
  );
}

/** The reference that a candidate's credential is resolved by at each dispatch. */
export function credentialOf(settings: Pick<Settings, 'providers'>, candidate: Candidate): string | null {
  return settings.providers.get(candidate.provider)?.apiKey ?? null;
}

function ableTargets(deps: AdmissionDeps, route: RouteSettings, canonical: JsonObject, mode: CallMode | undefined) {
  const required = deps.requiredCapabilities(canonical);
  const missing = new Set<Capability>();
  const able = route.targets.flatMap(({ provider: name, model }) => {
    const provider = deps.settings.providers.get(name);
    const adapter = provider && deps.adapters.get(provider.kind);
    if (!provider || !adapter) return [];
    const { supports, maxOutputTokens: maxOutput } = adapter.capabilities(model);
    const worksAlone = supports.has('background') && adapter.kept?.carries(canonical) === true;
    const lacks = [...required].filter((capability) => !supports.has(capability));
    if (mode === 'background' && !worksAlone) lacks.push('background');
    for (const capability of lacks) missing.add(capability);
    return lacks.length > 0 ? [] : [{ provider, model, wire: adapter.wire, maxOutput: maxOutput ?? null, worksAlone }];
  });
  if (able.length === 0) {
    throw new HoldfastError('capability_missing', `No target of this model supports: ${[...missing].join(', ')}.`, {
      param: 'model',
      details: { missing: [...missing] },
    });
  }
  return able;
}

function deny(decisionId: string, error: HoldfastError): Admission {
  return { allowed: false, decisionId, error: error.toRecord() };
}
