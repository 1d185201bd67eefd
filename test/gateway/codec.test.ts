/** Temporal's remote codec over HTTP, as its UI and its CLI use it. */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const ADMIN = `hk_${'a'.repeat(43)}`;
const CALLER = `hk_${'c'.repeat(43)}`;
const UI = 'https://temporal.example.com';

interface PayloadJson {
  metadata: Record<string, string>;
  data: string;
}

let node: TestNode;

beforeAll(async () => {
  node = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
keys:
  - { name: boss, hash: "${hashVirtualKey(ADMIN)}", roles: [caller, admin] }
  - { name: app, hash: "${hashVirtualKey(CALLER)}" }
security: { encryptHistories: true, uiOrigins: ["${UI}"] }
`,
  });
});
afterAll(() => node.stop());

const base64 = (text: string) => Buffer.from(text).toString('base64');
const plain: PayloadJson = { metadata: { encoding: base64('json/plain') }, data: base64('{"a":"what~was~said"}') };

const codec = (verb: string, body: unknown, headers: Record<string, string> = { authorization: `Bearer ${ADMIN}` }) =>
  node.post(`/codec/${verb}`, body, headers);

async function payloadsOf(response: Response): Promise<PayloadJson[]> {
  expect(response.status).toBe(200);
  return ((await response.json()) as { payloads: PayloadJson[] }).payloads;
}

describe('/codec', () => {
  test('what one seals the other opens, and what was never sealed passes', async () => {
    const sealed = await payloadsOf(await codec('encode', { payloads: [plain] }));
    expect(Buffer.from(sealed[0]?.metadata['encoding'] ?? '', 'base64').toString()).toBe('binary/encrypted');
    expect(Buffer.from(sealed[0]?.data ?? '', 'base64').toString('latin1')).not.toContain('said');
    expect(await payloadsOf(await codec('decode', { payloads: [...sealed, plain] }))).toEqual([plain, plain]);
    expect(await payloadsOf(await codec('decode', {}))).toEqual([]);
  });

  test('opens the payloads of a real history, and each request to do so is in the audit log', async () => {
    const asked = { model: 'sim/sim-small', messages: [{ role: 'user', content: 'hi' }] };
    const call = await node.post('/v1/chat/completions', asked, { authorization: `Bearer ${CALLER}` });
    const id = call.headers.get('x-holdfast-call-id') ?? '';
    const [started] = (
      JSON.parse(historyToJSON(await node.client.workflow.getHandle(id).fetchHistory())) as {
        events: { workflowExecutionStartedEventAttributes: { input: { payloads: PayloadJson[] } } }[];
      }
    ).events;
    const { input } = started!.workflowExecutionStartedEventAttributes;
    const headers = { authorization: `Bearer ${ADMIN}`, 'x-namespace': 'default' };
    const [opened] = await payloadsOf(await codec('decode', input, headers));
    expect(JSON.parse(Buffer.from(opened?.data ?? '', 'base64').toString())).toMatchObject({ callId: id });
    const { entries } = await node.get<{ entries: object[] }>('/api/v1/audit', { authorization: `Bearer ${ADMIN}` });
    expect(entries.at(-1)).toMatchObject({
      actor: 'boss',
      action: 'history.decode',
      subject: 'default',
      details: { payloads: 1 },
    });
  });

  test.each(['encode', 'decode'])('%s needs a key with the role admin', async (verb) => {
    expect((await codec(verb, { payloads: [plain] }, {})).status).toBe(401);
    expect((await codec(verb, { payloads: [plain] }, { authorization: 'Bearer hk_wrong' })).status).toBe(401);
    expect((await codec(verb, { payloads: [plain] }, { authorization: `Bearer ${CALLER}` })).status).toBe(403);
    expect((await codec(verb, 'x'.repeat(100_000), {})).status).toBe(401);
  });

  test('refuses another namespace, what is no list of payloads, and too much of it', async () => {
    const other = { authorization: `Bearer ${ADMIN}`, 'x-namespace': 'other' };
    expect((await codec('decode', { payloads: [plain] }, other)).status).toBe(400);
    for (const body of [{ payloads: 1 }, { payloads: [{ data: '*' }] }, '{', { payloads: Array(1001).fill(plain) }]) {
      expect((await codec('decode', body)).status).toBe(400);
    }
    expect((await codec('decode', { payloads: [{ data: 'A'.repeat(17 * 1024 * 1024) }] })).status).toBe(413);
    const foreign = { encoding: base64('binary/encrypted'), 'encryption-key-id': base64('hist_other') };
    const response = await codec('decode', { payloads: [{ metadata: foreign, data: base64('x') }] });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('which this ledger does not have');
  });

  test('a browser is let in from the address of the UI only, and asks before it sends', async () => {
    const preflight = (origin: string) =>
      fetch(`${node.url}/codec/decode`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-namespace' },
      });
    const allowed = await preflight(UI);
    expect(allowed.status).toBe(204);
    expect(Object.fromEntries(allowed.headers)).toMatchObject({
      'access-control-allow-origin': UI,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': expect.stringContaining('x-namespace'),
      vary: 'Origin',
    });
    const sent = await codec('decode', { payloads: [plain] }, { authorization: `Bearer ${ADMIN}`, origin: UI });
    expect(sent.headers.get('access-control-allow-origin')).toBe(UI);
    for (const origin of ['https://evil.example', 'null', `${UI}.evil.example`, 'http://temporal.example.com']) {
      const refused = await preflight(origin);
      expect(refused.status).toBe(403);
      expect(refused.headers.get('access-control-allow-origin')).toBeNull();
      expect((await codec('decode', { payloads: [plain] }, { authorization: `Bearer ${ADMIN}`, origin })).status).toBe(
        403,
      );
    }
  });
});
