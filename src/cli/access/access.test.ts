/** One contract, two ways to reach the same system: its home on this machine, and its gateway over HTTP. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startTestNode, type TestNode } from '../../../test/support/test-node.ts';
import { createClient } from '../../client/index.ts';
import { hashVirtualKey } from '../../ledger/virtual-key.ts';
import { createLocalAccess } from './local-access.ts';
import { createRemoteAccess } from './remote-access.ts';
import type { SystemAccess } from './system-access.ts';

const ADMIN_KEY = 'hk_admin-of-the-contract';
const CALLER_KEY = 'hk_caller-of-the-contract';
const CONFIG = `
providers:
  sim: { kind: simulated, baseUrl: SIM/v1, allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
tenants:
  default: {}
  acme: { budgets: [{ limitUsd: 5, period: month }], teams: { blue: {} } }
keys:
  - { name: boss, hash: "${hashVirtualKey(ADMIN_KEY)}", roles: [caller, admin] }
  - { name: app, tenant: acme, hash: "${hashVirtualKey(CALLER_KEY)}" }
`;

let node: TestNode;
let callId: string;

beforeAll(async () => {
  node = await startTestNode({ config: CONFIG });
  writeFileSync(join(node.home, 'holdfast.yaml'), CONFIG.replaceAll('SIM', node.simulator.url));
  const ask = { model: 'small', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] };
  await createClient({ url: node.url, key: ADMIN_KEY }).call(ask);
  callId = (await createClient({ url: node.url, key: CALLER_KEY }).call(ask)).callId;
});
afterAll(() => node.stop());

const local = () => createLocalAccess(node.home, { HOLDFAST_CONFIG: join(node.home, 'holdfast.yaml') });
const remote = () => createRemoteAccess({ url: node.url, key: ADMIN_KEY });
const ways: [string, () => SystemAccess][] = [
  ['at the home', local],
  ['over HTTP', remote],
];

describe.each(ways)('%s', (way, open) => {
  let access: SystemAccess;
  beforeAll(() => {
    access = open();
  });
  afterAll(() => access.close());

  test('calls are listed newest first, page by page, by tenant and state', async () => {
    const all = await access.listCalls({ limit: 10 });
    expect(all.calls.map(({ id }) => id)[0]).toBe(callId);
    expect(all.calls).toHaveLength(2);
    const page = await access.listCalls({ limit: 1 });
    const rest = await access.listCalls({ limit: 1, after: page.next ?? '' });
    expect([...page.calls, ...rest.calls]).toEqual(all.calls);
    expect((await access.listCalls({ limit: 10, tenant: 'acme' })).calls.map(({ id }) => id)).toEqual([callId]);
    expect((await access.listCalls({ limit: 10, state: 'running' })).calls).toEqual([]);
  });

  test('a call is shown without references to its content; an unknown one is not found', async () => {
    const call = await access.getCall(callId);
    expect(call).toMatchObject({ id: callId, tenant: 'acme', key: 'app', outcome: 'succeeded', pricing: 'priced' });
    expect(Object.keys(call)).not.toContain('answerRef');
    await expect(access.getCall('call_none')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('budgets, providers and models are those of the configuration', async () => {
    const { budgets } = await access.budgets();
    expect(budgets).toMatchObject([
      { scope: 'tenant:acme', period: 'month', limitNanoUsd: '5000000000', heldNanoUsd: '0' },
    ]);
    expect(BigInt(budgets[0]!.spentNanoUsd)).toBeGreaterThan(0n);
    expect(await access.models()).toEqual({ models: [{ name: 'small', targets: ['sim/sim-small'] }] });
    const { configured, kinds } = await access.providers();
    expect(configured).toEqual([
      { name: 'sim', kind: 'simulated', baseUrl: `${node.simulator.url}/v1`, credential: null },
    ]);
    expect(kinds.map(({ kind }) => kind)).toContain('anthropic');
  });

  test('a key is made, opens the gateway, is listed, is revoked, and all of it is in the audit log', async () => {
    const name = `made.${way.replaceAll(' ', '-')}`;
    const expiresAt = '2199-01-01T00:00:00Z';
    const { key, entry } = await access.createKey({
      name,
      tenant: 'acme',
      team: 'blue',
      models: ['small'],
      roles: ['caller'],
      expiresAt,
    });
    expect(entry).toMatchObject({
      name,
      tenant: 'acme',
      team: 'blue',
      hash: hashVirtualKey(key),
      models: ['small'],
      revokedAt: null,
    });
    const models = () => node.get('/v1/models', { authorization: `Bearer ${key}` });
    expect(await models()).toMatchObject({ data: [{ id: 'small' }] });
    expect((await access.keys()).keys).toContainEqual({ ...entry, source: 'ledger' });
    expect((await access.keys()).keys).toContainEqual(
      expect.objectContaining({ name: 'app', source: 'configuration' }),
    );

    expect((await access.revokeKey(name)).entry.revokedAt).not.toBeNull();
    expect(await models()).toMatchObject({ error: { code: 'unauthenticated' } });
    const { entries } = await access.audit(0, 100);
    expect(entries.filter(({ subject }) => subject === name).map(({ action }) => action)).toEqual([
      'key.create',
      'key.revoke',
    ]);
    expect(await access.verifyAudit()).toEqual({ entries: entries.length, brokenAt: null });
    expect((await access.audit(1, 1)).entries.map(({ seq }) => seq)).toEqual([2]);
  });

  test.each([
    ['a name with a space', { name: 'a b' }],
    ['a tenant that is not there', { name: 'fresh', tenant: 'nobody' }],
    ['a team that the tenant has not', { name: 'fresh', tenant: 'default', team: 'blue' }],
    ['a name that the configuration has', { name: 'app' }],
    ['a time that is none', { name: 'fresh', expiresAt: 'tomorrow' }],
  ])('%s makes no key', async (_what, given) => {
    const before = (await access.keys()).keys.length;
    const key = { tenant: 'default', team: null, models: null, roles: ['caller' as const], expiresAt: null, ...given };
    await expect(access.createKey(key)).rejects.toMatchObject({ code: 'invalid_request' });
    expect((await access.keys()).keys).toHaveLength(before);
  });

  test('a key that is not there cannot be revoked, one of the configuration only there', async () => {
    await expect(access.revokeKey('nobody')).rejects.toMatchObject({ code: 'not_found' });
    await expect(access.revokeKey('app')).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

test('both ways show the same', async () => {
  const [here, there] = [local(), remote()];
  expect(await here.listCalls({ limit: 10 })).toEqual(await there.listCalls({ limit: 10 }));
  expect(await here.getCall(callId)).toEqual(await there.getCall(callId));
  for (const what of ['budgets', 'providers', 'models', 'keys'] as const)
    expect(await here[what]()).toEqual(await there[what]());
  await here.close();
});

test('a key without the role admin sees its own tenant, and administers nothing', async () => {
  const caller = createRemoteAccess({ url: node.url, key: CALLER_KEY });
  expect((await caller.listCalls({ limit: 10, tenant: 'default' })).calls.map(({ id }) => id)).toEqual([callId]);
  for (const refused of [caller.keys(), caller.audit(0, 1), caller.verifyAudit(), caller.revokeKey('made')]) {
    await expect(refused).rejects.toMatchObject({ code: 'permission_denied' });
  }
});

test('a home that was never used is said to be so, and is not made by looking', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'holdfast-no-home-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const home = join(parent, 'home');
  const access = createLocalAccess(home, {});
  await expect(access.listCalls({ limit: 1 })).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining(home),
  });
  expect((await access.models()).models).not.toEqual([]);
  expect(existsSync(home)).toBe(false);
});
