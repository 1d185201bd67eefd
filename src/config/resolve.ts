/** From the file's shape to the engine's settings; finds what the shape alone cannot: broken references, missing keys. */
import type {
  BudgetSettings,
  KeySettings,
  LimitSettings,
  ProviderSettings,
  RouteSettings,
  ScopeSettings,
  Settings,
  TenantSettings,
} from '../core/settings.ts';
import { DEFAULT_TENANT } from '../core/settings.ts';
import { nanoUsdFromUsd } from '../core/money.ts';
import type { ProviderAdapter } from '../core/ports/provider.ts';
import type { ConfigProblem } from './config-error.ts';
import { isPrivateHost } from './private-host.ts';
import { hotStoreProblems, ledgerStoreProblems, resolveHotStore, resolveLedgerStore } from './resolve-stores.ts';
import type { BudgetFile, ConfigFile, LimitsFile, RouteFile, ScopeFile, TenantFile } from './schema.ts';

const HOUR_MS = 3_600_000;

export const DEFAULT_ROUTE: Omit<RouteSettings, 'targets'> = {
  retries: { maxAttempts: 2, initialBackoffMs: 500, maxBackoffMs: 10_000, maxRetryAfterMs: 30_000 },
  timeouts: { connectMs: 10_000, firstTokenMs: 60_000, idleMs: 60_000, totalMs: 600_000 },
  onUnknown: 'recover',
  background: { fromOutputTokens: null, totalMs: HOUR_MS },
  onDisconnect: 'auto',
  maxOutputTokens: null,
};

export interface ResolveContext {
  origin: string;
  env: Readonly<Record<string, string | undefined>>;
  adapters: ReadonlyMap<string, ProviderAdapter>;
}

export function resolveConfig(
  file: ConfigFile,
  context: ResolveContext,
): { settings: Settings; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const providers = new Map<string, ProviderSettings>();
  for (const [name, entry] of Object.entries(file.providers)) {
    const path = `providers.${name}`;
    const adapter = context.adapters.get(entry.kind);
    if (!adapter) {
      const kinds = [...context.adapters.keys()].join(', ');
      problems.push({
        path: `${path}.kind`,
        problem: `there is no provider kind "${entry.kind}"`,
        fix: `Use one of: ${kinds}.`,
      });
      continue;
    }
    const baseUrl = entry.baseUrl ?? adapter.defaultBaseUrl ?? '';
    if (!baseUrl && entry.kind !== 'simulated') {
      problems.push({
        path: `${path}.baseUrl`,
        problem: 'it is missing',
        fix: "Add what the provider's own SDK would be given.",
      });
    }
    if (entry.baseUrl) checkAddress(`${path}.baseUrl`, entry.baseUrl, entry.allowPrivateAddress, problems);
    if (entry.apiKey?.startsWith('env:') && !context.env[entry.apiKey.slice(4)]) {
      const variable = entry.apiKey.slice(4);
      problems.push({
        path: `${path}.apiKey`,
        problem: `the environment has no ${variable}`,
        fix: `Set ${variable}, or remove the provider.`,
      });
    }
    if (!entry.apiKey && adapter.usualKeyVariable) {
      problems.push({
        path: `${path}.apiKey`,
        problem: 'it is missing',
        fix: `Write env:${adapter.usualKeyVariable} or secret:NAME.`,
      });
    }
    providers.set(name, {
      name,
      kind: entry.kind,
      baseUrl: baseUrl.replace(/\/+$/, ''),
      apiKey: entry.apiKey ?? null,
      headers: entry.headers,
    });
  }

  const models = new Map<string, RouteSettings>();
  for (const [alias, entry] of Object.entries(file.models)) {
    entry.targets.forEach(({ provider }, index) => {
      if (Object.hasOwn(file.providers, provider)) return;
      problems.push({
        path: `models.${alias}.targets[${String(index)}].provider`,
        problem: `there is no provider "${provider}"`,
        fix: `Add it under providers, or use one of: ${Object.keys(file.providers).join(', ') || '(none yet)'}.`,
      });
    });
    models.set(alias, resolveRoute(entry));
  }

  const keys: KeySettings[] = [];
  file.keys.forEach((entry, index) => {
    const path = `keys[${String(index)}]`;
    if (entry.tenant !== DEFAULT_TENANT && !Object.hasOwn(file.tenants, entry.tenant)) {
      problems.push({
        path: `${path}.tenant`,
        problem: `there is no tenant "${entry.tenant}"`,
        fix: 'Add it under tenants.',
      });
    }
    for (const model of entry.models ?? []) {
      if (models.has(model) || providers.has(model.split('/')[0] ?? '')) continue;
      problems.push({
        path: `${path}.models`,
        problem: `there is no model "${model}"`,
        fix: 'Add it under models, or write provider/model.',
      });
    }
    if (keys.some((other) => other.name === entry.name)) {
      problems.push({
        path: `${path}.name`,
        problem: `"${entry.name}" is there twice`,
        fix: 'Give each key a name of its own.',
      });
    }
    if (entry.team !== undefined && !Object.hasOwn(file.tenants[entry.tenant]?.teams ?? {}, entry.team)) {
      problems.push({
        path: `${path}.team`,
        problem: `the tenant "${entry.tenant}" has no team "${entry.team}"`,
        fix: `Add it under tenants.${entry.tenant}.teams.`,
      });
    }
    keys.push({
      ...entry,
      team: entry.team ?? null,
      models: entry.models ?? null,
      expiresAt: entry.expiresAt ?? null,
      budgets: resolveBudgets(`key:${entry.name}`, entry.budgets, file.tenants[entry.tenant]?.timeZone),
      limits: resolveLimits(entry.limits),
    });
  });

  problems.push(...ledgerStoreProblems(file.stores, context.env), ...hotStoreProblems(file.stores, context.env));

  if (file.retention.payloadHours < file.retention.idempotencyHours) {
    problems.push({
      path: 'retention.payloadHours',
      problem: 'it is shorter than retention.idempotencyHours, so a repeated key would find its answer gone',
      fix: `Set it to at least ${String(file.retention.idempotencyHours)}.`,
    });
  }

  const settings: Settings = {
    origin: context.origin,
    gateway: {
      host: file.gateway.host,
      port: file.gateway.port,
      authRequired: file.gateway.auth?.required ?? null,
      maxBodyBytes: file.gateway.maxBodyBytes,
    },
    providers,
    models,
    defaultRoute: DEFAULT_ROUTE,
    tenants: new Map(Object.entries(file.tenants).map(([name, tenant]) => [name, resolveTenant(name, tenant)])),
    keys,
    security: {
      ...file.security,
      encryptHistories: file.security.encryptHistories ?? file.stores.ledger === 'postgres',
    },
    retention: {
      idempotencyMs: file.retention.idempotencyHours * HOUR_MS,
      payloadMs: file.retention.payloadHours * HOUR_MS,
      callMs: file.retention.callDays * 24 * HOUR_MS,
    },
    ledgerStore: resolveLedgerStore(file.stores),
    hotStore: resolveHotStore(file.stores),
    priceOverrides: file.prices.overrides ?? null,
  };
  return { settings, problems };
}

function checkAddress(path: string, baseUrl: string, allowPrivate: boolean, problems: ConfigProblem[]): void {
  if (allowPrivate) return;
  const { protocol, hostname } = new URL(baseUrl);
  if (protocol === 'https:' && !isPrivateHost(hostname)) return;
  problems.push({
    path,
    problem: protocol === 'https:' ? `${hostname} is a private address` : 'it is not https',
    fix: 'Use a public https address, or set allowPrivateAddress: true for this provider.',
  });
}

function resolveRoute(entry: RouteFile): RouteSettings {
  return {
    targets: entry.targets,
    retries: { ...DEFAULT_ROUTE.retries, ...definedOnly(entry.retries) },
    timeouts: { ...DEFAULT_ROUTE.timeouts, ...definedOnly(entry.timeouts) },
    onUnknown: entry.onUnknown,
    background: { ...DEFAULT_ROUTE.background, ...definedOnly(entry.background) },
    onDisconnect: entry.onDisconnect,
    maxOutputTokens: entry.maxOutputTokens ?? null,
  };
}

function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as never;
}

function resolveTenant(name: string, tenant: TenantFile): TenantSettings {
  const { timeZone, users } = tenant;
  const named = (kind: string, scopes: Readonly<Record<string, ScopeFile>>) =>
    new Map(
      Object.entries(scopes).map(
        ([id, scope]) => [id, resolveScope(`${kind}:${name}/${id}`, scope, timeZone)] as const,
      ),
    );
  const { default: everyUser, ...namedUsers } = users ?? {};
  return {
    ...resolveScope(`tenant:${name}`, tenant, timeZone),
    teams: named('team', tenant.teams),
    users: users
      ? { default: everyUser ? resolveScope('', everyUser, timeZone) : null, named: named('user', namedUsers) }
      : null,
  };
}

function resolveScope(scope: string, { budgets, limits }: ScopeFile, timeZone: string): ScopeSettings {
  return { budgets: resolveBudgets(scope, budgets, timeZone), limits: resolveLimits(limits) };
}

function resolveBudgets(scope: string, budgets: readonly BudgetFile[], zone = 'UTC'): BudgetSettings[] {
  return budgets.map(({ limitUsd, timeZone, ...budget }) => ({
    scope,
    limitNanoUsd: nanoUsdFromUsd(limitUsd),
    timeZone: timeZone ?? zone,
    ...budget,
  }));
}

function resolveLimits(limits: LimitsFile): LimitSettings {
  return {
    requestsPerMinute: limits.requestsPerMinute ?? null,
    tokensPerMinute: limits.tokensPerMinute ?? null,
    concurrency: limits.concurrency ?? null,
  };
}
