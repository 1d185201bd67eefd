/** G3 as clients see it: what a repeated Idempotency-Key is given, and by what it can be told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { readEvents, textOf } from '../support/read-events.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

const WIDE = `hk_${'a'.repeat(43)}`;
/** Of the same tenant; may name `small` only. */
const NARROW = `hk_${'n'.repeat(43)}`;
/** Of a tenant whose budget holds the worst case of one call, see `ask`, and not of two. */
const POOR = `hk_${'p'.repeat(43)}`;

let test: TestNode;
beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  other: { targets: [{ provider: sim, model: sim-small }] }
  slow: { targets: [{ provider: sim, model: sim-small+delay=1500 }], onDisconnect: continue }
  failing: { targets: [{ provider: sim, model: sim-small+status=400 }] }
tenants:
  default: {}
  poor: { budgets: [{ limitUsd: "0.006", period: month }] }
keys:
  - { name: wide, hash: "${hashVirtualKey(WIDE)}" }
  - { name: narrow, hash: "${hashVirtualKey(NARROW)}", models: [small] }
  - { name: poor, tenant: poor, hash: "${hashVirtualKey(POOR)}" }
security: { redact: [email] }
`,
  });
});
afterAll(() => test.stop());

interface Ask {
  path?: string;
  as?: string;
  stream?: boolean;
  content?: string;
  headers?: Record<string, string>;
}

const ask = (key: string, model: string, { path, as = WIDE, stream = false, content = key, headers = {} }: Ask = {}) =>
  test.post(
    path ?? '/v1/chat/completions',
    { model, stream, max_tokens: 1000, messages: [{ role: 'user', content }] },
    { authorization: `Bearer ${as}`, 'Idempotency-Key': key, ...headers },
  );

const isReplay = ({ headers }: Response) => headers.get('idempotent-replayed');
const callIdOf = ({ headers }: Response) => headers.get('x-holdfast-call-id');

describe.each(['/v1/chat/completions', '/v1/messages'])('a replay at %s', (path) => {
  it.each([false, true])('of a failure is marked as one, streamed: %s', async (stream) => {
    const key = `failure ${path} ${String(stream)}`;
    const before = test.simulator.count;
    const first = await ask(key, 'failing', { path, stream });
    const again = await ask(key, 'failing', { path, stream });
    expect([first.status, again.status]).toEqual([400, 400]);
    expect([isReplay(first), isReplay(again)]).toEqual([null, 'true']);
    expect(callIdOf(again)).toBe(callIdOf(first));
    expect(test.simulator.count - before).toBe(1);
  });

  it('as a stream is marked as one', async () => {
    const key = `stream ${path}`;
    const first = await ask(key, 'small', { path, stream: true });
    const text = textOf(await Array.fromAsync(readEvents(first)));
    const again = await ask(key, 'small', { path, stream: true });
    expect([isReplay(first), isReplay(again)]).toEqual([null, 'true']);
    expect(textOf(await Array.fromAsync(readEvents(again)))).toBe(text);
    expect(callIdOf(again)).toBe(callIdOf(first));
  });
});

async function expectDenied(response: Response): Promise<void> {
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({
    error: { code: 'permission_denied', message: expect.stringContaining('The key narrow may not use') },
  });
}

describe('a key that may not name the model', () => {
  it('is not given the answer of one that may, nor its stream', async () => {
    const key = 'answered for another';
    const answered = await ask(key, 'other');
    expect(answered.status).toBe(200);
    await expectDenied(await ask(key, 'other', { as: NARROW }));
    await expectDenied(await ask(key, 'other', { as: NARROW, stream: true }));
    const position = { 'Last-Event-ID': `${callIdOf(answered) ?? ''}.1.0` };
    await expectDenied(await ask(key, 'other', { as: NARROW, stream: true, headers: position }));
    const started = await test.post(
      '/api/v1/calls',
      { kind: 'chat', request: { model: 'other', max_tokens: 1000, messages: [{ role: 'user', content: key }] } },
      { authorization: `Bearer ${NARROW}`, 'Idempotency-Key': key },
    );
    await expectDenied(started);
    expect(isReplay(await ask(key, 'other'))).toBe('true');
  });

  it('does not attach to a call that runs for one that may', async () => {
    const before = test.simulator.count;
    const running = ask('running for another', 'slow');
    await until('the provider has the request', () => test.simulator.count > before);
    await expectDenied(await ask('running for another', 'slow', { as: NARROW }));
    expect((await running).status).toBe(200);
    expect(test.simulator.count - before).toBe(1);
  });

  it('leaves the Idempotency-Key of its denial to one that may, which two repeats at once pay once', async () => {
    const before = test.simulator.count;
    const denied = await ask('denied first', 'other', { as: NARROW });
    await expectDenied(denied);
    const repeats = await Promise.all([ask('denied first', 'other'), ask('denied first', 'other')]);
    expect(repeats.map(({ status }) => status)).toEqual([200, 200]);
    expect(callIdOf(repeats[0])).toBe(callIdOf(repeats[1]));
    expect(callIdOf(repeats[0])).not.toBe(callIdOf(denied));
    expect(test.simulator.count - before).toBe(1);
    await expectDenied(await ask('denied first', 'other', { as: NARROW }));
  });
});

it('a denial for want of budget does not outlast it: the same key makes the call once there is room', async () => {
  const before = test.simulator.count;
  const running = ask('takes the room', 'slow', { as: POOR });
  await until('the provider has the request', () => test.simulator.count > before);
  const denied = await ask('finds none', 'small', { as: POOR });
  expect(denied.status).toBe(402);
  expect((await running).status).toBe(200);
  const again = await ask('finds none', 'small', { as: POOR });
  expect([again.status, isReplay(again)]).toEqual([200, null]);
  expect(isReplay(await ask('finds none', 'small', { as: POOR }))).toBe('true');
  expect(test.simulator.count - before).toBe(2);
});

it('bodies are compared as they were sent: two that look the same once they are masked are two', async () => {
  const before = test.simulator.count;
  const first = await ask('masked', 'small', { content: 'write to ann@example.com' });
  expect(first.status).toBe(200);
  expect(isReplay(await ask('masked', 'small', { content: 'write to ann@example.com' }))).toBe('true');
  expect((await ask('masked', 'small', { content: 'write to bob@example.com' })).status).toBe(422);
  expect(test.simulator.count - before).toBe(1);
  expect(JSON.stringify(test.simulator.seen.at(-1)?.body)).not.toContain('ann@example.com');
});
