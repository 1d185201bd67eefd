/** The configuration as the engine reads it: checked, with defaults, with references resolved to names. */
import type { CallTimeouts, OnUnknown, RetryPolicy } from './call/types.ts';
import type { BudgetSpec } from './ports/ledger/budgets.ts';

export interface ProviderSettings {
  name: string;
  /** Names the adapter. */
  kind: string;
  /** What the provider's own SDK would be given, without a trailing slash. */
  baseUrl: string;
  /** `env:NAME` or `secret:NAME`; null for providers without a key. */
  apiKey: string | null;
  headers: Record<string, string>;
}

/** Which calls run in the background at providers that can, and how long they may take there. */
export interface BackgroundSettings {
  /** Calls that may give at least so many tokens; null: only those that ask for it. */
  fromOutputTokens: number | null;
  /** Takes the place of `timeouts.totalMs`. */
  totalMs: number;
}
/** What becomes of a call whose clients have all left. `auto`: cancelled without an idempotency key, continued with one. */
export const ON_DISCONNECT = ['auto', 'cancel', 'continue'] as const;
export type OnDisconnect = (typeof ON_DISCONNECT)[number];

export interface RouteSettings {
  targets: { provider: string; model: string }[];
  retries: RetryPolicy;
  timeouts: CallTimeouts;
  onUnknown: OnUnknown;
  background: BackgroundSettings;
  onDisconnect: OnDisconnect;
  /** Bounds the output of requests that do not bound it themselves, for budgets. Null: the model's own maximum. */
  maxOutputTokens: number | null;
}

/** Limits of speed; null means none. */
export interface LimitSettings {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  concurrency: number | null;
}

export interface BudgetSettings extends BudgetSpec {
  timeZone: string;
  /** Lets calls through a hard budget that have no price or no output bound. */
  allowUnbounded: boolean;
}

/** Budgets and limits of one scope. The budgets of a default stand for many scopes, and name none. */
export interface ScopeSettings {
  budgets: BudgetSettings[];
  limits: LimitSettings;
}

export interface TenantSettings extends ScopeSettings {
  teams: ReadonlyMap<string, ScopeSettings>;
  /** Null: users are not told apart. */
  users: UserSettings | null;
}

export interface UserSettings {
  /** What each user has that is not named, apart from every other; null for nothing. */
  default: ScopeSettings | null;
  named: ReadonlyMap<string, ScopeSettings>;
}

export interface KeySettings {
  name: string;
  tenant: string;
  team: string | null;
  /** `hk1:` and the hex SHA-256 of the key. */
  hash: string;
  models: string[] | null;
  roles: string[];
  expiresAt: string | null;
  budgets: BudgetSettings[];
  limits: LimitSettings;
}

/** Where the ledger is. */
export type LedgerStore =
  /** A file in the home. */
  | { kind: 'sqlite' }
  /** `urlReference` is `env:NAME` or `secret:NAME`. */
  | { kind: 'postgres'; urlReference: string };

/** Where limits of speed are counted, and how nodes hear of each other. */
export type HotStore =
  /** In each process by itself. */
  | { kind: 'memory' }
  /** `urlReference` is `env:NAME` or `secret:NAME`. */
  | { kind: 'redis'; urlReference: string };

export interface Settings {
  /** Where it came from: a path, or `built-in`. */
  origin: string;
  gateway: {
    host: string;
    port: number;
    /** Null: required as soon as there is a key or the bind is not loopback. */
    authRequired: boolean | null;
    /** Largest request body, in bytes. */
    maxBodyBytes: number;
  };
  providers: ReadonlyMap<string, ProviderSettings>;
  models: ReadonlyMap<string, RouteSettings>;
  /** What a call that names `provider/model` runs under. */
  defaultRoute: Omit<RouteSettings, 'targets'>;
  tenants: ReadonlyMap<string, TenantSettings>;
  keys: readonly KeySettings[];
  security: {
    redact: readonly string[];
    blockSecrets: boolean;
    /** Seals the payloads and failures of histories. Default: where the ledger is in PostgreSQL. */
    encryptHistories: boolean;
    /** Web pages that may use the codec endpoints: where the Temporal UI is. */
    uiOrigins: readonly string[];
  };
  retention: { idempotencyMs: number; payloadMs: number; callMs: number };
  ledgerStore: LedgerStore;
  hotStore: HotStore;
  /** Path of price overrides, or null. */
  priceOverrides: string | null;
}

export const DEFAULT_TENANT = 'default';
