/** G3 without a key: which call the repeat of an SDK is given, and that everyone else gets a call of their own. */
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { readEvents, textOf } from '../support/read-events.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

const KEYS = { app: 'acme', web: 'acme', evil: 'other' } as const;
type Key = keyof typeof KEYS;
const secretOf = (key: Key) => `hk_of-the-key-${key}`;
const REPEAT = { 'x-stainless-retry-count': '1' };
const SLOW = 'sim/sim-small+delay=2000';

let test: TestNode;

beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
models:
  slow: { targets: [{ provider: sim, model: sim-small+delay=2000 }], onDisconnect: continue }
  quick: { targets: [{ provider: sim, model: sim-small+delay=300 }], onDisconnect: continue }
  paced: { targets: [{ provider: sim, model: sim-small+pace=60+words=30 }], onDisconnect: continue }
  long: { targets: [{ provider: sim, model: sim-small+pace=60+words=80 }] }
tenants: { acme: {}, other: {} }
keys:
${Object.entries(KEYS)
  .map(([name, tenant]) => `  - { name: ${name}, tenant: ${tenant}, hash: "${hashVirtualKey(secretOf(name as Key))}" }`)
  .join('\n')}
`,
  });
});
afterAll(() => test.stop());

interface Ask {
  model?: string;
  stream?: boolean;
  key?: Key;
  headers?: Record<string, string>;
}

const bodyOf = (content: string, { model = 'slow', stream = false }: Ask) =>
  JSON.stringify({ model, stream, max_tokens: 60, messages: [{ role: 'user', content }] });
const headersOf = ({ key = 'app', headers = {} }: Ask) => ({
  'content-type': 'application/json',
  authorization: `Bearer ${secretOf(key)}`,
  ...headers,
});
const ask = (content: string, given: Ask = {}) =>
  test.post('/v1/chat/completions', bodyOf(content, given), headersOf(given));
const repeat = (content: string, { headers = {}, ...given }: Ask = {}) =>
  ask(content, { ...given, headers: { ...REPEAT, ...headers } });
const idOf = (response: Response) => response.headers.get('x-holdfast-call-id') ?? '';
const hitsOf = (content: string) =>
  test.simulator.seen.filter(({ body }) => JSON.stringify(body).includes(`"${content}"`)).length;
const newest = async () =>
  (await test.get<{ calls: CallView[] }>('/api/v1/calls?limit=1', headersOf({}))).calls[0] as CallView;

/** A client on a socket of its own that leaves while the provider works. Gives the call's id. */
async function askAndLeave(content: string, given: Ask = {}): Promise<string> {
  const request = httpRequest(`${test.url}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: headersOf(given),
  });
  request.on('error', () => undefined);
  const before = hitsOf(content);
  request.end(bodyOf(content, given));
  await until('the provider works', () => hitsOf(content) > before);
  const { id } = await newest();
  request.destroy();
  return id;
}

/** The same, where the call goes on; resolves once the door knows that its client is gone. */
async function leaveBehind(content: string, given: Ask = {}): Promise<string> {
  const id = await askAndLeave(content, given);
  await untilOwed(id);
  return id;
}

/** Until anyone may take it. */
async function untilOwed(id: string): Promise<void> {
  const ledger = new DatabaseSync(join(test.home, 'ledger.db'), { readOnly: true });
  const row = ledger.prepare('select door from calls where id = ?');
  await until('the door has noticed', () => row.get(id)?.['door'] === null);
  ledger.close();
}

it('G3 the repeat is given the call that its first try left behind, and the provider is hit once', async () => {
  const id = await leaveBehind('left behind');
  const again = await repeat('left behind');
  expect(again.status).toBe(200);
  expect(idOf(again)).toBe(id);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(hitsOf('left behind')).toBe(1);
});

it('G3 G7 a repeat that streams has the stream from its first frame', async () => {
  const paced = { model: 'paced', stream: true };
  const id = await leaveBehind('a stream', paced);
  const again = await repeat('a stream', paced);
  expect(idOf(again)).toBe(id);
  const events = await Array.fromAsync(readEvents(again));
  expect(textOf(events)).toMatch(/^\[simulated\]/);
  expect(textOf(events).split(' ')).toHaveLength(31);
  expect(events.at(-1)?.data).toBe('[DONE]');
  expect(hitsOf('a stream')).toBe(1);
});

it('an answer that came after its client had left is given to one repeat, and to no second one', async () => {
  const id = await leaveBehind('answered alone', { model: 'quick' });
  await until('it has ended', async () => (await newest()).state === 'ended');
  const again = await repeat('answered alone', { model: 'quick' });
  expect(idOf(again)).toBe(id);
  const other = await repeat('answered alone', { model: 'quick' });
  expect(other.status).toBe(200);
  expect(idOf(other)).not.toBe(id);
  expect(hitsOf('answered alone')).toBe(2);
});

it('an answer that its client got is given to no repeat', async () => {
  const first = await ask('delivered', { model: 'quick' });
  expect(first.status).toBe(200);
  const again = await repeat('delivered', { model: 'quick' });
  expect(idOf(again)).not.toBe(idOf(first));
  expect(hitsOf('delivered')).toBe(2);
});

it('a repeat whose equal still waits for its own answer gets a call of its own', async () => {
  const first = ask('both wait');
  await until('the provider works', () => hitsOf('both wait') === 1);
  const second = repeat('both wait');
  expect(idOf(await second)).not.toBe(idOf(await first));
  expect(hitsOf('both wait')).toBe(2);
});

it('a call that is cancelled because its client left is given to no repeat', async () => {
  const headers = { 'x-holdfast-on-disconnect': 'cancel' };
  const id = await askAndLeave('cancelled', { headers });
  const again = await repeat('cancelled', { headers });
  expect(again.status).toBe(200);
  expect(idOf(again)).not.toBe(id);
});

it('a call that its client would have had cancelled, and that went on for who polled for it, is given to the repeat', async () => {
  const long = { model: 'long', stream: true };
  const first = httpRequest(`${test.url}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: headersOf({}),
  });
  first.on('error', () => undefined);
  first.end(bodyOf('polled', long));
  await until('the provider works', () => hitsOf('polled') === 1);
  const { id } = await newest();
  // Its words say when the poll has begun to wait, which nothing else does.
  const words = (await fetch(`${test.url}/api/v1/calls/${id}/stream`, { headers: headersOf({}) })).body!.getReader();
  const poll = fetch(`${test.url}/api/v1/calls/${id}/result?waitSeconds=1`, { headers: headersOf({}) });
  for (let n = 0; n < 8; n += 1) await words.read();
  first.destroy();
  await words.cancel();
  expect((await poll).status).toBe(202);
  await untilOwed(id);
  expect(idOf(await repeat('polled', long))).toBe(id);
  expect(hitsOf('polled')).toBe(1);
});

it('whoever asks anything else, or is anyone else, gets a call of their own', async () => {
  const id = await leaveBehind('mine alone');
  const others = await Promise.all([
    ask('mine alone'),
    repeat('mine alone', { headers: { 'x-stainless-retry-count': '0' } }),
    repeat('mine alone', { key: 'web' }),
    repeat('mine alone', { key: 'evil' }),
    repeat('mine alone', { model: SLOW }),
    repeat('mine alone', { stream: true }),
    repeat('mine alone', { headers: { 'x-holdfast-tags': '{"user":"ann"}' } }),
    repeat('mine alone', { headers: { 'x-holdfast-stream': 'rollback' } }),
    repeat('mine alone', { headers: { 'idempotency-key': 'a key' } }),
    repeat('mine alone, and more'),
  ]);
  expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
  expect(others.map(idOf)).not.toContain(id);
  // It is there still.
  expect(idOf(await repeat('mine alone'))).toBe(id);
});
