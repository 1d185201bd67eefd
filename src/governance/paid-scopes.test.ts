import { expect, it } from 'vitest';
import { parseSettings } from '../config/load.ts';
import { providerAdapters } from '../providers/registry.ts';
import { createPaidScopes, type Payer } from './paid-scopes.ts';

const settings = parseSettings(
  `
providers: {}
tenants:
  acme:
    timeZone: Europe/Berlin
    budgets: [{ limitUsd: 50, period: month }]
    teams:
      blue: { budgets: [{ limitUsd: 20, period: week, timeZone: Asia/Tokyo }], limits: { concurrency: 4 } }
    users:
      default: { budgets: [{ limitUsd: 1, period: day }], limits: { requestsPerMinute: 10 } }
      boss: { budgets: [{ limitUsd: 9, period: day }] }
  plain: {}
keys:
  - { name: app, tenant: acme, team: blue, hash: "hk1:${'0'.repeat(64)}", budgets: [{ limitUsd: 5, period: hour }] }
`,
  'test',
  { env: {}, adapters: providerAdapters },
);
const scopesOf = createPaidScopes(settings);
const seen = (payer: Payer) =>
  scopesOf(payer).map(({ scope, budgets }) => [
    scope,
    ...budgets.map((budget) => `${budget.scope} ${String(budget.limitNanoUsd / 1_000_000_000n)} ${budget.timeZone}`),
  ]);

it('a call meets the budgets of its tenant, its team, its user and its key, each by its own clock', () => {
  expect(seen({ tenant: 'acme', key: 'app', team: 'blue', user: 'alice' })).toEqual([
    ['tenant:acme', 'tenant:acme 50 Europe/Berlin'],
    ['team:acme/blue', 'team:acme/blue 20 Asia/Tokyo'],
    ['user:acme/alice', 'user:acme/alice 1 Europe/Berlin'],
    ['key:app', 'key:app 5 Europe/Berlin'],
  ]);
});

it('each user has the default for itself, a named one its own instead', () => {
  const ofUser = (user: string) => seen({ tenant: 'acme', key: null, user }).at(-1);
  expect(ofUser('alice')).toEqual(['user:acme/alice', 'user:acme/alice 1 Europe/Berlin']);
  expect(ofUser('bob')).toEqual(['user:acme/bob', 'user:acme/bob 1 Europe/Berlin']);
  expect(ofUser('boss')).toEqual(['user:acme/boss', 'user:acme/boss 9 Europe/Berlin']);
});

it('what the configuration does not name is no scope', () => {
  expect(seen({ tenant: 'plain', key: 'gone', team: 'blue', user: 'alice' })).toEqual([['tenant:plain']]);
  expect(seen({ tenant: 'nobody', key: null })).toEqual([]);
});
