/** An erasure through the doors: what a subject said is nowhere any more, and everything that was counted still is. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Erasure } from '../../src/core/ports/ledger/upkeep.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { runCliHere } from '../support/run-cli-here.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const ADMIN = `hk_${'a'.repeat(43)}`;
const CALLER = `hk_${'c'.repeat(43)}`;
const PROMPT = 'Prompt~Canary~of~ann';
/** Ids of users, in the open wherever users are told apart. */
const ANN = 'ann~id~canary';
const BOB = 'bob~id~canary';

let node: TestNode;

beforeAll(async () => {
  node = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
tenants:
  acme:
    users: { default: { budgets: [{ limitUsd: 50, period: day }] } }
keys:
  - { name: admin, hash: "${hashVirtualKey(ADMIN)}", roles: [admin] }
  - { name: app, tenant: acme, hash: "${hashVirtualKey(CALLER)}" }
`,
  });
});
afterAll(() => node.stop());

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function ask(user: string, key: string, extra: object = {}) {
  const response = await node.post(
    '/v1/chat/completions',
    { model: 'small', max_tokens: 20, messages: [{ role: 'user', content: PROMPT }], ...extra },
    { ...bearer(CALLER), 'x-holdfast-tags': JSON.stringify({ user, team: 'blue' }), 'idempotency-key': key },
  );
  return { status: response.status, id: response.headers.get('x-holdfast-call-id') ?? '', text: await response.text() };
}

const callOf = (id: string) => node.get<CallView>(`/api/v1/calls/${id}`, bearer(ADMIN));

const atHome = (...args: string[]) => runCliHere(args, { env: { HOLDFAST_HOME: node.home }, input: '' });
const atGateway = (...args: string[]) => runCliHere(args, { env: { HOLDFAST_URL: node.url, HOLDFAST_KEY: ADMIN } });

describe('holdfast erase', () => {
  test('only a key with the role admin may erase, and a request without a scope is refused', async () => {
    const erase = (headers: Record<string, string>, body: object) => node.post('/api/v1/erase', body, headers);
    expect((await erase({}, { tenant: 'acme' })).status).toBe(401);
    expect((await erase(bearer(CALLER), { tenant: 'acme' })).status).toBe(403);
    expect((await erase(bearer(ADMIN), {})).status).toBe(400);
    expect((await erase(bearer(ADMIN), { tennant: 'acme' })).status).toBe(400);
  });

  test('without --yes and a terminal it refuses, and without a scope too', async () => {
    expect(await atHome('erase', '--tenant', 'acme')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/add --yes/),
    });
    expect(await atHome('erase', '--yes')).toMatchObject({ code: 1, err: expect.stringMatching(/name a tenant/) });
  });

  test('an empty value is refused, and does not widen what is erased', async () => {
    const ann = await ask(ANN, 'key-of-ann');
    for (const at of [atHome, atGateway]) {
      expect(await at('erase', '--tenant', 'acme', '--subject', '', '--yes')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^invalid_request: subject: /),
      });
      expect(await at('erase', '--tenant', '', '--subject', ANN, '--yes')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^invalid_request: tenant: /),
      });
    }
    expect((await callOf(ann.id)).erasedAt).toBeUndefined();
  });

  test('an id that no call ever had is no success, over HTTP and at the command line', async () => {
    const response = await node.post('/api/v1/erase', { subject: 'Ann~mistyped' }, bearer(ADMIN));
    expect({ status: response.status, text: await response.text() }).toEqual({
      status: 404,
      text: expect.stringContaining('No call has this subject, so nothing was erased'),
    });
    for (const at of [atHome, atGateway]) {
      expect(await at('erase', '--tenant', 'acmee', '--yes')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/No call has this tenant.*matched exactly as calls sent them/),
      });
    }
  });

  test('what a subject said is gone: its calls say so, a repeat is told, figures and other subjects stay', async () => {
    const ann = await ask(ANN, 'key-of-ann');
    const bob = await ask(BOB, 'key-of-bob');
    expect([ann.status, bob.status]).toEqual([200, 200]);
    const before = await callOf(ann.id);

    const { code, out } = await atGateway('erase', '--subject', ANN, '--tenant', 'acme', '--yes', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out) as Erasure).toMatchObject({ tenant: 'acme', keys: 1, calls: 1, payloads: 2 });

    const after = await callOf(ann.id);
    expect(after).toMatchObject({
      outcome: 'succeeded',
      costNanoUsd: before.costNanoUsd,
      attempts: before.attempts,
      tags: { user: '(erased)', team: 'blue' },
    });
    expect(after.erasedAt).toMatch(/^\d{4}-/);
    const provided = node.simulator.seen.length;
    for (const extra of [{}, { stream: true }]) {
      const repeat = await ask(ANN, 'key-of-ann', extra);
      expect(repeat.status).toBe(404);
      expect(repeat.text).toContain('was erased at');
    }
    expect((await fetch(`${node.url}/api/v1/calls/${ann.id}/result`, { headers: bearer(ADMIN) })).status).toBe(404);
    expect((await fetch(`${node.url}/api/v1/calls/${ann.id}/stream`, { headers: bearer(ADMIN) })).status).toBe(404);
    expect(await ask(BOB, 'key-of-bob')).toMatchObject({ status: 200, id: bob.id });
    expect(node.simulator.seen.length).toBe(provided);

    const again = await ask(ANN, 'another-key');
    expect(again.status).toBe(200);
    expect((await callOf(again.id)).erasedAt).toBeUndefined();
  });

  test('on the machine of the home a whole tenant goes, with the audit entry that says who', async () => {
    const { code, out } = await atHome('erase', '--tenant', 'acme', '--yes');
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringMatching(
        /^destroyed 2 data keys and deleted \d payloads of 2 calls; their costs stay\n.*nothing of it/,
      ),
    });
    const { entries } = await node.get<{ entries: object[] }>('/api/v1/audit', bearer(ADMIN));
    expect(entries).toMatchObject([
      { actor: 'admin', action: 'content.erase', details: { tenant: 'acme', keys: 1 } },
      { actor: 'local', action: 'content.erase', subject: 'tenant:acme', details: { keys: 2 } },
    ]);
    expect(await node.get('/api/v1/audit/verify', bearer(ADMIN))).toEqual({ entries: 2, brokenAt: null });
  });

  test('neither the home nor a history holds what was said', async () => {
    const places = readdirSync(node.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
    expect(places.length).toBeGreaterThan(2);
    for (const place of places) for (const id of [ANN, BOB]) expect(place).not.toContain(id);
    for await (const { workflowId } of node.client.workflow.list()) {
      const json = historyToJSON(await node.client.workflow.getHandle(workflowId).fetchHistory());
      places.push(
        json,
        ...[...json.matchAll(/"data": "([^"]+)"/g)].map(([, data = '']) => Buffer.from(data, 'base64').toString()),
      );
    }
    for (const place of places) {
      expect(place).not.toContain(PROMPT);
      expect(place).not.toContain('[simulated]');
    }
  });
});
