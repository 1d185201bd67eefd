/** The domains, wired to this node's stores: what activities and doors are made of, without Temporal. */
import { createHmac, randomUUID } from 'node:crypto';
import { chargeAttempt } from '../attempts/charge-attempt.ts';
import { createAttemptRunner, type AttemptRunner } from '../attempts/run-attempt.ts';
import type { AttemptOrder, CallInput, Principal } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { parseNanoUsd } from '../core/money.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { AdmitInput } from '../core/ports/ledger/calls.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import type { FaultPoints } from '../core/ports/fault-points.ts';
import type { PayloadStore } from '../core/ports/payload-store.ts';
import type { CallRequest, DoorWire } from '../core/ports/provider.ts';
import type { SecretStore } from '../core/ports/secret-store.ts';
import type { BudgetSettings, Settings } from '../core/settings.ts';
import { USER_TAG } from '../core/user-id.ts';
import { createCredentialResolver } from '../credentials/credential-resolver.ts';
import { decideAdmission, refusalOf, type AdmissionDeps, type AdmissionRequest } from '../governance/admission.ts';
import { identifyUser } from '../governance/identify-user.ts';
import { createContentInspector } from '../governance/inspect-content.ts';
import { boundOutput } from '../governance/bound-output.ts';
import { createPaidScopes, type Payer } from '../governance/paid-scopes.ts';
import { allowedModelsPolicy, type PolicyEngine } from '../governance/policy.ts';
import { tenantHandle } from '../ledger/call-id.ts';
import { createPriceBook } from '../ledger/pricing/price-book.ts';
import { loadPriceOverrides } from '../ledger/pricing/price-overrides.ts';
import { createDispatcher, type Dispatcher } from '../providers/dispatch/dispatcher.ts';
import { doorWires, providerAdapters } from '../providers/registry.ts';
import { hasOpenPrice } from '../providers/open-price.ts';
import { requiredCapabilities } from '../providers/required-capabilities.ts';
import type { MemoryStreamBus } from '../stores/memory/stream-bus.ts';

export interface DomainOptions {
  settings: Settings;
  ledger: Ledger;
  payloads: PayloadStore;
  secrets: SecretStore;
  bus: MemoryStreamBus;
  /** Names this process life, in attempt rows and to the engine. */
  owner: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Keys the hashes of request bodies, so that a stolen ledger cannot be searched for a known prompt. */
  hashKey: Uint8Array;
  policy?: PolicyEngine;
  /** Told of each order that is carried out here. */
  onAttempt(order: AttemptOrder): void;
  /** Told of each call that ends with an answer. */
  onCallEnd(call: CallView): void;
  /** Tests only: what happens at the boundaries of calls. */
  faults?: FaultPoints | undefined;
  /** Told of unforeseen errors in attempts. */
  onDefect(error: unknown): void;
}

export type Domain = ReturnType<typeof createDomain>;

export function createDomain(options: DomainOptions) {
  const { settings, ledger, payloads, bus, owner } = options;
  const dispatcher: Dispatcher = createDispatcher();
  const prices = createPriceBook(
    settings.priceOverrides ? { overrides: loadPriceOverrides(settings.priceOverrides) } : {},
  );
  const scopesOf = createPaidScopes(settings);
  const budgetsOf = (payer: Payer): BudgetSettings[] => scopesOf(payer).flatMap(({ budgets }) => budgets);
  const tellsUsersApart = (tenant: string) => Boolean(settings.tenants.get(tenant)?.users);

  const admission: AdmissionDeps = {
    settings,
    adapters: providerAdapters,
    policy: options.policy ?? allowedModelsPolicy,
    requiredCapabilities,
    hasOpenPrice,
    worstCase: (query) => prices.worstCaseNanoUsd(query),
    budgetStatus: (budgets) => ledger.budgetStatus(budgets),
    newDecisionId: () => `dec_${randomUUID()}`,
  };

  const leaving = new AbortController();
  const runner = createAttemptRunner({
    ledger,
    payloads,
    bus,
    dispatcher,
    adapters: providerAdapters,
    providerNamed(name) {
      const provider = settings.providers.get(name);
      if (provider) return provider;
      throw new HoldfastError('not_found', `The configuration has no provider "${name}" any more.`);
    },
    resolveCredential: createCredentialResolver({ secrets: options.secrets, env: options.env }),
    budgetsOf,
    charge: (provider, model, request, answer) => chargeAttempt(prices, provider, model, request, answer),
    owner,
    payloadTtlMs: settings.retention.payloadMs,
    now: Date.now,
    leaving: leaving.signal,
    onCallEnd: options.onCallEnd,
    faults: options.faults,
    onDefect: options.onDefect,
  });

  const attempts: AttemptRunner = {
    ...runner,
    get live() {
      return runner.live;
    },
    run(order, signal) {
      options.onAttempt(order);
      return runner.run(order, signal);
    },
    collect(order) {
      options.onAttempt(order);
      return runner.collect(order);
    },
  };

  const inspect = createContentInspector(settings.security);
  const maskTags = (tags: Readonly<Record<string, string>>) =>
    inspect({ wire: 'openai-chat', stream: false, body: { ...tags } }).body as Record<string, string>;

  /** The user counts only where users are told apart: else any tag may stand there. */
  function payerOf({ principal, tags }: Pick<CallInput, 'principal' | 'tags'>): Payer {
    const { tenant, key, team } = principal;
    const user = tellsUsersApart(tenant) ? tags?.[USER_TAG] : undefined;
    return { tenant, key, team, user };
  }

  async function decide(
    input: Omit<CallInput, 'callId' | 'requestRef'>,
    asked: Pick<AdmissionRequest, 'request' | 'canonical'>,
  ): Promise<Omit<AdmitInput, 'callId'>> {
    const payer = payerOf(input);
    const budgets = budgetsOf(payer);
    const decision = await decideAdmission(admission, { input, ...asked, payer, budgets });
    const worst = decision.allowed ? decision.plan.candidates[0]?.worstCaseNanoUsd : null;
    return { admission: decision, worstCaseNanoUsd: worst == null ? null : parseNanoUsd(worst), budgets };
  }

  return {
    decide,
    /** Whether the policy lets this caller ask for such a call, made or not: `permission_denied`, or null. */
    refusalOf: (call: Pick<CallInput, 'kind' | 'model' | 'principal' | 'tags'>) =>
      refusalOf(admission.policy, call, admission.newDecisionId()),
    settings,
    ledger,
    payloads,
    bus,
    dispatcher,
    attempts,
    owner,
    /** This process is to end: what it streams from the background is left to another. */
    leave: () => leaving.abort(),
    faults: options.faults,
    payerOf,
    scopesOf,
    /** The team that a key belongs to, for callers that name only the key. */
    async teamOf({ tenant, key }: Pick<Principal, 'tenant' | 'key'>): Promise<string | undefined> {
      if (key === null) return undefined;
      const entry = settings.keys.find(({ name }) => name === key) ?? (await ledger.keyNamed(key));
      return entry?.tenant === tenant ? (entry.team ?? undefined) : undefined;
    },
    /** A request as it may be stored and sent: secrets refused, personal data masked, output bounded. */
    prepare: (request: CallRequest): CallRequest => boundOutput(settings, inspect(request)),
    /** Tags as they may be stored, with the call's user among them. */
    prepareTags: (tenant: string, tags: Record<string, string>, endUser: string | null): Record<string, string> =>
      identifyUser({ tags, endUser, isToldApart: tellsUsersApart(tenant), mask: maskTags }),
    doorWireOf(request: CallRequest): DoorWire {
      const door = (doorWires as Readonly<Record<string, DoorWire | undefined>>)[request.wire];
      if (door) return door;
      throw new HoldfastError('invalid_request', `There is no door for the wire ${request.wire}.`);
    },
    /** `stream` is not part of it: the same question may be asked either way. */
    hashBody(tenant: string, body: JsonObject): string {
      const { stream: _stream, stream_options: _options, ...rest } = body;
      return createHmac('sha256', options.hashKey)
        .update(`${tenant}\0${sortedJson(rest)}`)
        .digest('hex');
    },
    /** Of a request as it came: it is compared with its own repeat only, so the order of its fields counts. */
    hashRepeat: (tenant: string, asked: string): string =>
      createHmac('sha256', options.hashKey).update(`${tenant}\0repeat\0${asked}`).digest('base64url'),
    tenantHandle,
  };
}

/** JSON with sorted keys: the same content in another order is the same request. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : field,
  );
}
