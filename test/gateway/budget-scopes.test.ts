/** G4 for teams and users: nested budgets and limits, over the wires and past the doors. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTemporalClient } from '../../src/client/temporal-client.ts';
import type { BudgetStatus } from '../../src/core/ports/ledger/budgets.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const APP = `hk_${'a'.repeat(43)}`;
const OTHER = `hk_${'o'.repeat(43)}`;
const BOSS = `hk_${'b'.repeat(43)}`;
/** What `ask` may cost at most is more than a nano-USD and less than a cent. */
const NOTHING = '0.000000001';

let test: TestNode;
beforeAll(async () => {
  test = await startTestNode({
    config: `
providers: ${SIM_PROVIDER}
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
tenants:
  default: {}
  acme:
    timeZone: Europe/Berlin
    budgets: [{ limitUsd: 100, period: month }]
    teams:
      blue: { budgets: [{ limitUsd: 10, period: day }] }
      broke: { budgets: [{ limitUsd: "${NOTHING}", period: day }] }
    users:
      default: { budgets: [{ limitUsd: 1, period: day }] }
      poor: { budgets: [{ limitUsd: "${NOTHING}", period: day }] }
      slow: { limits: { requestsPerMinute: 1 } }
keys:
  - { name: app, tenant: acme, team: blue, hash: "${hashVirtualKey(APP)}" }
  - { name: other, tenant: acme, team: broke, hash: "${hashVirtualKey(OTHER)}" }
  - { name: boss, hash: "${hashVirtualKey(BOSS)}", roles: [caller, admin] }
security: { redact: [email] }
`,
  });
});
afterAll(() => test.stop());

const BODY = { model: 'small', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const tagged = (user: string) => ({ 'x-holdfast-tags': JSON.stringify({ user }) });

async function chat(extra: object, headers: Record<string, string> = {}, key = APP) {
  const response = await test.post('/v1/chat/completions', { ...BODY, ...extra }, { ...bearer(key), ...headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function budgets(key = BOSS, query = ''): Promise<{ budgets: BudgetStatus[]; next: string | null }> {
  return test.get(`/api/v1/budgets${query}`, bearer(key));
}

async function spentBy(scope: string): Promise<bigint> {
  const found = (await budgets()).budgets.find((status) => status.scope === scope);
  return BigInt(found?.spentNanoUsd ?? 0);
}

it('a call is charged to its tenant, its team and its user', async () => {
  const scopes = ['tenant:acme', 'team:acme/blue', 'user:acme/alice'];
  const before = await Promise.all(scopes.map(spentBy));
  expect((await chat({ user: 'alice' })).status).toBe(200);
  const after = await Promise.all(scopes.map(spentBy));
  const charged = after.map((spent, index) => spent - (before[index] ?? 0n));
  expect(charged[0]).toBeGreaterThan(0n);
  expect(new Set(charged).size).toBe(1);
});

it("a user's full budget refuses that user with its figures, and nobody else", async () => {
  const hits = test.simulator.count;
  const refused = await chat({}, tagged('poor'));
  expect(refused.status).toBe(402);
  expect(refused.body).toMatchObject({
    error: { code: 'budget_exceeded', message: expect.stringContaining('user:acme/poor') },
  });
  const { body } = refused;
  expect(body['error']).toMatchObject({
    details: {
      scope: 'user:acme/poor',
      limitNanoUsd: '1',
      heldNanoUsd: '0',
      spentNanoUsd: '0',
      resetsAt: expect.stringMatching(/T2[23]:00:00/), // Berlin's midnight
    },
  });
  expect(test.simulator.count).toBe(hits);
  expect((await chat({}, tagged('carol'))).status).toBe(200);
});

it('what nobody can price beforehand is refused with the figures too', async () => {
  const { status, body } = await chat({ web_search_options: {} });
  expect(status).toBe(402);
  expect(body['error']).toMatchObject({
    code: 'budget_exceeded',
    details: {
      scope: 'tenant:acme',
      limitNanoUsd: '100000000000',
      heldNanoUsd: '0',
      spentNanoUsd: expect.stringMatching(/^[1-9]/) as string,
      resetsAt: expect.stringMatching(/T2[23]:00:00/) as string,
    },
  });
});

it.each([
  ['user of chat', '/v1/chat/completions', { user: 'poor' }],
  ['safety_identifier of chat', '/v1/chat/completions', { safety_identifier: 'poor' }],
  ['metadata.user_id of messages', '/v1/messages', { metadata: { user_id: 'poor' } }],
])('%s names the user', async (_what, path, extra) => {
  const response = await test.post(path, { ...BODY, ...extra }, bearer(APP));
  expect(response.status).toBe(402);
  expect(await response.text()).toContain('user:acme/poor');
});

it("a team's full budget refuses its keys", async () => {
  const refused = await chat({ user: 'alice' }, {}, OTHER);
  expect(refused.status).toBe(402);
  expect(refused.body['error']).toMatchObject({ details: { scope: 'team:acme/broke' } });
});

it('a user id that would be masked is refused, for all such users would share one budget', async () => {
  const refused = await chat({ user: 'ann@example.com' });
  expect(refused.status).toBe(400);
  expect(refused.body).toMatchObject({
    error: { code: 'invalid_request', param: 'user', message: expect.stringContaining('opaque id') },
  });
  expect(JSON.stringify(refused.body)).not.toContain('ann@');
  // Without budgets of users there is nothing to share.
  expect((await chat({ user: 'ann@example.com' }, {}, BOSS)).status).toBe(200);
});

it("a user's limit of speed holds for that user alone", async () => {
  expect((await chat({ user: 'slow' })).status).toBe(200);
  const refused = await chat({ user: 'slow' });
  expect(refused.status).toBe(429);
  expect(refused.body).toMatchObject({
    error: { code: 'rate_limited', message: expect.stringContaining('user:acme/slow') },
  });
  expect((await chat({ user: 'alice' })).status).toBe(200);
});

it.each([
  ['the user of its request', { tenant: 'acme' }, { user: 'poor' }, {}, 'user:acme/poor'],
  ['the user of its tags', { tenant: 'acme' }, {}, { user: 'poor' }, 'user:acme/poor'],
  ['the team that it names', { tenant: 'acme', team: 'broke' }, {}, {}, 'team:acme/broke'],
  ['the team of its key', { tenant: 'acme', key: 'other' }, {}, {}, 'team:acme/broke'],
])('a call started in Temporal meets the budgets of %s', async (_what, payer, extra, tags, scope) => {
  const holdfast = createTemporalClient({ client: test.client, ...payer });
  const call = await holdfast.start({ ...BODY, ...extra }, { tags });
  await expect(call.result()).rejects.toMatchObject({ code: 'budget_exceeded', details: { scope } });
});

it('a key of the ledger carries its team past the doors too', async () => {
  const made = await test.post('/api/v1/keys', { name: 'made', tenant: 'acme', team: 'broke' }, bearer(BOSS));
  expect(made.status).toBe(201);
  const { key } = (await made.json()) as { key: string };
  expect((await chat({}, {}, key)).body['error']).toMatchObject({ details: { scope: 'team:acme/broke' } });
  const call = await createTemporalClient({ client: test.client, tenant: 'acme', key: 'made' }).start(BODY);
  await expect(call.result()).rejects.toMatchObject({ details: { scope: 'team:acme/broke' } });
});

it.each([
  ['in its request', { user: 'ann@example.com' }, {}],
  ['in its tags', {}, { user: 'ann@example.com' }],
])(
  'a call started in Temporal with a user id %s that would be masked fails, and its row keeps nothing of it',
  async (_where, extra, tags) => {
    const call = await createTemporalClient({ client: test.client, tenant: 'acme' }).start(
      { ...BODY, ...extra },
      { tags },
    );
    await expect(call.result()).rejects.toMatchObject({ code: 'invalid_request' });
    const row = await test.get<CallView>(`/api/v1/calls/${call.id}`, bearer(BOSS));
    expect(row).toMatchObject({ outcome: 'failed', tags: {} });
    expect(JSON.stringify(row)).not.toContain('ann@');
  },
);

it('budgets are listed with the users that were seen, page by page; a caller sees its own team', async () => {
  const all = await budgets();
  const users = all.budgets.map(({ scope }) => scope).filter((scope) => scope.startsWith('user:'));
  expect(users).toEqual(['user:acme/poor', 'user:acme/alice', 'user:acme/carol']);
  expect(all.next).toBeNull();
  const page = await budgets(BOSS, '?limit=1');
  expect(page.next).toBe('user:acme/alice');
  const rest = await budgets(BOSS, `?limit=1&after=${encodeURIComponent(page.next ?? '')}`);
  expect(rest.budgets).toMatchObject([{ scope: 'user:acme/carol', timeZone: 'Europe/Berlin' }]);
  const own = (await budgets(APP)).budgets.map(({ scope }) => scope);
  expect(own).toContain('team:acme/blue');
  expect(own).not.toContain('team:acme/broke');
});
