/** What the CLI and the administration routes both do: the same answers whether asked over HTTP or on the same machine. */
import { z } from 'zod';
import { HoldfastError } from '../core/errors.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { AuditEntry, VirtualKey } from '../core/ports/ledger/access.ts';
import type { BudgetStatus } from '../core/ports/ledger/budgets.ts';
import type { Erasure } from '../core/ports/ledger/upkeep.ts';
import type { ProviderAdapter } from '../core/ports/provider.ts';
import type { Settings } from '../core/settings.ts';
import { listBudgets, type BudgetPage, type BudgetViewer } from './list-budgets.ts';
import { generateVirtualKey, hashVirtualKey } from '../ledger/virtual-key.ts';

/** A key as lists show it. Keys of the configuration file are read-only. */
export type ListedKey = VirtualKey & { source: 'configuration' | 'ledger' };

export const newKeySchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'use letters, digits, dot, dash, underscore; at most 64'),
  tenant: z.string().max(64).default('default'),
  team: z.string().max(64).nullable().default(null),
  models: z.array(z.string().max(256)).max(1000).nullable().default(null),
  roles: z
    .array(z.enum(['caller', 'admin']))
    .min(1)
    .default(['caller']),
  expiresAt: z.iso.datetime({ error: 'use a time such as 2027-01-31T00:00:00Z' }).nullable().default(null),
});
export type NewKey = z.output<typeof newKeySchema>;

/** What to erase: all of a tenant, or a subject, of one tenant or of all. */
export const eraseSchema = z
  .strictObject({ tenant: z.string().min(1).max(64).optional(), subject: z.string().min(1).max(256).optional() })
  .refine(({ tenant, subject }) => tenant !== undefined || subject !== undefined, 'name a tenant, a subject, or both');
export type EraseRequest = z.output<typeof eraseSchema>;

export interface ConfiguredProvider {
  name: string;
  kind: string;
  baseUrl: string;
  credential: string | null;
}

export interface Administration {
  /** What a viewer may see, all for null; users that the configuration does not name come page by page. */
  budgets(viewer: BudgetViewer, page?: BudgetPage): Promise<{ budgets: BudgetStatus[]; next: string | null }>;
  providers(): { configured: ConfiguredProvider[]; kinds: { kind: string; capabilities: string[] }[] };
  models(): { models: { name: string; targets: string[] }[] };
  keys(): Promise<{ keys: ListedKey[] }>;
  /** @throws HoldfastError `invalid_request` when the name is taken or the tenant does not exist. */
  createKey(key: NewKey, actor: string): Promise<{ key: string; entry: VirtualKey }>;
  revokeKey(name: string, actor: string): Promise<VirtualKey>;
  /** Destroys what calls said and were told, for good. @throws HoldfastError `invalid_request` while calls of it are open. */
  erase(request: EraseRequest, actor: string): Promise<Erasure>;
  /** Entries after this sequence number, oldest first. */
  audit(afterSeq: number, limit: number): Promise<{ entries: AuditEntry[] }>;
  /** `brokenAt` is the first entry that does not fit into the hash chain, or null. */
  verifyAudit(): Promise<{ entries: number; brokenAt: number | null }>;
}

/** The part of the ledger that administration touches. */
export type AdministrationLedger = Pick<
  Ledger,
  'budgetStatus' | 'budgetScopes' | 'createKey' | 'listKeys' | 'revokeKey' | 'listAudit' | 'verifyAudit' | 'erase'
>;

export interface AdministrationDeps {
  settings: Settings;
  ledger: AdministrationLedger;
  adapters: ReadonlyMap<string, ProviderAdapter>;
}

export function createAdministration({ settings, ledger, adapters }: AdministrationDeps): Administration {
  return {
    budgets: (viewer, page) => listBudgets({ settings, ledger }, viewer, page),
    providers() {
      return {
        configured: [...settings.providers.values()].map(({ name, kind, baseUrl, apiKey }) => ({
          name,
          kind,
          baseUrl,
          credential: apiKey,
        })),
        kinds: [...adapters.values()].map((adapter) => ({
          kind: adapter.kind,
          capabilities: [...adapter.capabilities('').supports],
        })),
      };
    },
    models() {
      return {
        models: [...settings.models].map(([name, { targets }]) => ({
          name,
          targets: targets.map(({ provider, model }) => `${provider}/${model}`),
        })),
      };
    },
    async keys() {
      const configured = settings.keys.map(({ name, tenant, team, hash, models, roles, expiresAt }): ListedKey => ({
        name,
        tenant,
        team,
        hash,
        models,
        roles,
        createdAt: '',
        expiresAt,
        revokedAt: null,
        source: 'configuration',
      }));
      const stored = await ledger.listKeys();
      return { keys: [...configured, ...stored.map((key): ListedKey => ({ ...key, source: 'ledger' }))] };
    },
    async createKey(key, actor) {
      if (key.tenant !== 'default' && !settings.tenants.has(key.tenant)) {
        throw new HoldfastError('invalid_request', `There is no tenant "${key.tenant}". Add it to the configuration.`, {
          param: 'tenant',
        });
      }
      if (key.team !== null && !settings.tenants.get(key.tenant)?.teams.has(key.team)) {
        throw new HoldfastError(
          'invalid_request',
          `The tenant "${key.tenant}" has no team "${key.team}". Add it to the configuration.`,
          { param: 'team' },
        );
      }
      if (settings.keys.some(({ name }) => name === key.name)) {
        throw new HoldfastError('invalid_request', `The configuration has a key named "${key.name}".`, {
          param: 'name',
        });
      }
      const secret = generateVirtualKey();
      const entry = await ledger.createKey({ ...key, hash: hashVirtualKey(secret) }, actor);
      return { key: secret, entry };
    },
    async revokeKey(name, actor) {
      if (settings.keys.some((key) => key.name === name)) {
        throw new HoldfastError('invalid_request', `The key "${name}" stands in the configuration; remove it there.`, {
          param: 'name',
        });
      }
      const entry = await ledger.revokeKey(name, actor);
      if (!entry) throw new HoldfastError('not_found', `There is no key named "${name}".`);
      return entry;
    },
    erase: ({ tenant = null, subject = null }, actor) => ledger.erase({ tenant, subject, actor }),
    async audit(afterSeq, limit) {
      return { entries: await ledger.listAudit(afterSeq, limit) };
    },
    verifyAudit: () => ledger.verifyAudit(),
  };
}
