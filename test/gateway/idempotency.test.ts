/** G3 as clients see it: what a repeated Idempotency-Key is given, and by what it can be told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { readEvents, textOf } from '../support/read-events.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const WIDE = `hk_${'a'.repeat(43)}`;

let test: TestNode;
beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  failing: { targets: [{ provider: sim, model: sim-small+status=400 }] }
keys:
  - { name: wide, hash: "${hashVirtualKey(WIDE)}" }
`,
  });
});
afterAll(() => test.stop());

interface Ask {
  path?: string;
  as?: string;
  stream?: boolean;
  content?: string;
}

const ask = (key: string, model: string, { path, as = WIDE, stream = false, content = key }: Ask = {}) =>
  test.post(
    path ?? '/v1/chat/completions',
    { model, stream, max_tokens: 50, messages: [{ role: 'user', content }] },
    { authorization: `Bearer ${as}`, 'Idempotency-Key': key },
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
