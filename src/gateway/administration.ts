/** What the CLI and the administration routes both do: the same answers whether asked over HTTP or on the same machine. */
import { HoldfastError } from '../core/errors.ts';
import type { BudgetStatus, Ledger, VirtualKey } from '../core/ports/ledger.ts';
import type { ProviderAdapter } from '../core/ports/provider.ts';
import type { Settings } from '../core/settings.ts';
import { generateVirtualKey, hashVirtualKey } from '../ledger/virtual-key.ts';

/** A key as lists show it. Keys of the configuration file are read-only. */
export type ListedKey = VirtualKey & { source: 'configuration' | 'ledger' };

export interface NewKey {
  name: string;
  tenant: string;
  models: string[] | null;
  roles: string[];
  expiresAt: string | null;
}

export interface ConfiguredProvider {
  name: string;
  kind: string;
  baseUrl: string;
  credential: string | null;
}

export interface Administration {
  budgets(of: { tenant: string; key: string | null } | null): Promise<{ budgets: BudgetStatus[] }>;
  providers(): { configured: ConfiguredProvider[]; kinds: { kind: string; capabilities: string[] }[] };
  models(): { models: { name: string; targets: string[] }[] };
  keys(): Promise<{ keys: ListedKey[] }>;
  /** @throws HoldfastError `invalid_request` when the name is taken or the tenant does not exist. */
  createKey(key: NewKey, actor: string): Promise<{ key: string; entry: VirtualKey }>;
  revokeKey(name: string, actor: string): Promise<VirtualKey>;
}

export interface AdministrationDeps {
  settings: Settings;
  ledger: Ledger;
  adapters: ReadonlyMap<string, ProviderAdapter>;
}

export function createAdministration({ settings, ledger, adapters }: AdministrationDeps): Administration {
  return {
    async budgets(of) {
      const scopes = of && new Set([`tenant:${of.tenant}`, `key:${of.key ?? ''}`]);
      const all = [
        ...[...settings.tenants.values()].flatMap(({ budgets }) => budgets),
        ...settings.keys.flatMap(({ budgets }) => budgets),
      ];
      return { budgets: await ledger.budgetStatus(scopes ? all.filter(({ scope }) => scopes.has(scope)) : all) };
    },
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
      const configured = settings.keys.map(({ name, tenant, hash, models, roles, expiresAt }): ListedKey => ({
        name,
        tenant,
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
      if (settings.keys.some(({ name }) => name === key.name)) {
        throw new HoldfastError('invalid_request', `The configuration has a key named "${key.name}".`, {
          param: 'name',
        });
      }
      const secret = generateVirtualKey();
      const entry = await ledger.createKey({ ...key, hash: hashVirtualKey(secret) });
      await ledger.appendAudit({ actor, action: 'key.create', subject: key.name, details: { tenant: key.tenant } });
      return { key: secret, entry };
    },
    async revokeKey(name, actor) {
      if (settings.keys.some((key) => key.name === name)) {
        throw new HoldfastError('invalid_request', `The key "${name}" stands in the configuration; remove it there.`, {
          param: 'name',
        });
      }
      const entry = await ledger.revokeKey(name);
      if (!entry) throw new HoldfastError('not_found', `There is no key named "${name}".`);
      await ledger.appendAudit({ actor, action: 'key.revoke', subject: name, details: {} });
      return entry;
    },
  };
}
