import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TASK_QUEUE } from '../core/names.ts';
import { newCallId } from '../ledger/call-id.ts';
import { hashVirtualKey } from '../ledger/virtual-key.ts';
import { startProtocolListener } from '../../test/support/self-signed.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../../test/support/test-node.ts';
import {
  createClient,
  createTemporalClient,
  HoldfastClientError,
  HoldfastError,
  type HoldfastClient,
} from './index.ts';

const KEY = 'hk_test-of-the-client';
let node: TestNode;
let client: HoldfastClient;

beforeAll(async () => {
  node = await startTestNode({
    config: `
providers: ${SIM_PROVIDER}
models:
  slow: { targets: [{ provider: sim, model: sim-slow }] }
  poor: { targets: [{ provider: sim, model: sim-small }] }
tenants:
  default: {}
  poor: { budgets: [{ limitUsd: '0.000000001', period: day, hard: true }] }
keys:
  - { name: app, hash: "${hashVirtualKey(KEY)}" }
  - { name: poor, tenant: poor, hash: "${hashVirtualKey(`${KEY}-poor`)}" }
`,
  });
  client = createClient({ url: node.url, key: KEY });
});
afterAll(() => node.stop());

const ask = (model: string, content = 'hello') => ({ model, max_tokens: 50, messages: [{ role: 'user', content }] });
const inlineInput = () => ({
  kind: 'chat',
  model: 'sim/sim-small',
  principal: { tenant: 'default', key: null, models: null },
  requestRef: null,
  inline: { wire: 'openai-chat', body: ask('sim/sim-small'), stream: false },
});
const textOf = ({ choices }: { choices?: unknown }) =>
  (choices as { message: { content: string } }[])[0]?.message.content;

describe('over HTTP', () => {
  test('a call gives its answer, its id, its attempts and its exact cost', async () => {
    const { callId, answer, provider, model, attempts, costNanoUsd, replayed } = await client.call(
      ask('sim/sim-small'),
      {
        tags: { team: 'Zoë 🙂' },
      },
    );
    expect(textOf(answer)).toContain('[simulated]');
    expect({ provider, model, attempts, replayed }).toEqual({
      provider: 'sim',
      model: 'sim-small',
      attempts: 1,
      replayed: false,
    });
    const call = await client.getCall(callId).describe();
    expect(call).toMatchObject({ id: callId, outcome: 'succeeded', costNanoUsd, tags: { team: 'Zoë 🙂' } });
  });

  test('the wires of Anthropic and of embeddings go the same way', async () => {
    const message = await client.call(ask('sim/sim-small'), { wire: 'anthropic-messages' });
    expect(message.answer).toMatchObject({ type: 'message', role: 'assistant' });
    const embedding = await client.call({ model: 'sim/sim-embedding', input: 'x' }, { wire: 'openai-embeddings' });
    expect(embedding.answer).toMatchObject({ object: 'list' });
  });

  test('a stream gives its chunks as they come, and knows its call', async () => {
    const stream = await client.stream(ask('sim/sim-paced+words=60'));
    const providerWhenRead: unknown[] = [];
    let text = '';
    for await (const { choices } of stream) {
      providerWhenRead.push(node.simulator.seen.at(-1)?.status);
      text += (choices as { delta: { content?: string } }[])[0]?.delta.content ?? '';
    }
    expect(text).toContain('[simulated]');
    // The provider was still saying the rest when the first was read.
    expect(providerWhenRead[0]).toBe(0);
    expect(await client.getCall(stream.callId).describe()).toMatchObject({ outcome: 'succeeded' });
  });

  test("a stream in Anthropic's wire ends with message_stop", async () => {
    const types: unknown[] = [];
    for await (const { type } of await client.stream(ask('sim/sim-small'), { wire: 'anthropic-messages' }))
      types.push(type);
    expect(types[0]).toBe('message_start');
    expect(types.at(-1)).toBe('message_stop');
  });

  test('a loop that is left early cancels a call without a key', async () => {
    const stream = await client.stream(ask('sim/sim-paced+words=400'));
    for await (const _chunk of stream) break;
    const call = client.getCall(stream.callId);
    await until('the call ends', async () => (await call.describe()).state === 'ended');
    expect(await call.describe()).toMatchObject({ outcome: 'cancelled' });
  });

  test('the same key gives the same answer and one provider hit', async () => {
    const before = node.simulator.count;
    const first = await client.call(ask('sim/sim-small', 'once'), { idempotencyKey: 'client-once' });
    const second = await client.call(ask('sim/sim-small', 'once'), { idempotencyKey: 'client-once' });
    expect(second).toMatchObject({ callId: first.callId, replayed: true, answer: first.answer });
    expect(node.simulator.count - before).toBe(1);
  });

  test('errors come as HoldfastError with code, status, details and call id', async () => {
    const poor = createClient({ url: node.url, key: `${KEY}-poor` });
    const refused: unknown = await poor.call(ask('poor')).catch((error: unknown) => error);
    expect(HoldfastError.is(refused)).toBe(true);
    expect(refused).toMatchObject({ code: 'budget_exceeded', status: 402, source: 'gateway', mayRetry: false });
    expect((refused as HoldfastClientError).callId).toMatch(/^call_/);
    expect((refused as HoldfastClientError).details).toHaveProperty('resetsAt');

    await expect(client.call(ask('nothing'))).rejects.toMatchObject({ code: 'not_found', status: 404, callId: null });
    await expect(createClient({ url: node.url }).call(ask('slow'))).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(client.call(ask('sim/sim-down'))).rejects.toMatchObject({
      code: 'provider_unavailable',
      status: 502,
      source: 'provider',
    });
  });

  test('a stream that breaks in the middle ends in an error with the call id', async () => {
    const stream = await client.stream(ask('sim/sim-paced+cut=5'));
    const read = async () => {
      for await (const chunk of stream) expect(chunk).toHaveProperty('choices');
    };
    await expect(read()).rejects.toMatchObject({ code: 'provider_unavailable', callId: stream.callId });
  });

  test('a signal ends the wait and, without a key, the call', async () => {
    const controller = new AbortController();
    const before = node.simulator.count;
    const call = client.call(ask('slow'), { signal: controller.signal });
    await until('the provider sees it', () => node.simulator.count > before);
    controller.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    await until('the provider is left', () => node.simulator.seen.at(-1)?.status === -1);
  });

  test('a started call goes on by itself and gives its result by id', async () => {
    const before = node.simulator.count;
    const options = { idempotencyKey: 'client-start', tags: { job: '7' } };
    const started = await client.start({ ...ask('sim/sim-small+delay=300'), stream: true }, options);
    expect((await client.start(ask('sim/sim-small+delay=300'), options)).id).toBe(started.id);
    const { call, answer } = await client.getCall(started.id).result();
    expect(call).toMatchObject({ id: started.id, outcome: 'succeeded', tags: { job: '7' } });
    expect(textOf(answer)).toContain('[simulated]');
    expect(node.simulator.count - before).toBe(1);
  });

  test('a call started in the wrong wire for its kind is refused and starts nothing', async () => {
    const reply = await node.post(
      '/api/v1/calls',
      { kind: 'embedding', wire: 'openai-chat', request: ask('slow') },
      { 'x-api-key': KEY },
    );
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { code: 'invalid_request', param: 'wire' } });
  });

  test('a started call can be cancelled; its result is then an error', async () => {
    const call = await client.start(ask('slow'));
    await until('it runs', async () => (await call.describe()).attempts.length === 1);
    await call.cancel();
    await expect(call.result()).rejects.toMatchObject({ code: 'cancelled' });
    expect(await call.describe()).toMatchObject({ outcome: 'cancelled' });
  });
});

describe('towards a gateway that is not well', () => {
  test('it speaks HTTP/1.1 alone, over which nothing sends a request again by itself', async () => {
    const { offered, port, close } = await startProtocolListener();
    const client = createClient({ url: `https://127.0.0.1:${String(port)}` });
    await expect(client.call(ask('hi'))).rejects.toMatchObject({ code: 'engine_unavailable' });
    close();
    expect(offered).toEqual([['http/1.1']]);
  });

  async function startStub(
    reply: (tries: number) => { status: number; headers?: Record<string, string>; body: string },
  ) {
    const keys: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      request.resume().once('end', () => {
        keys.push(request.headers['idempotency-key'] as string | undefined);
        const { status, headers, body } = reply(keys.length);
        response.writeHead(status, headers).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, keys };
  }
  const busy = {
    status: 503,
    headers: { 'x-should-retry': 'true', 'retry-after-ms': '5' },
    body: JSON.stringify({ error: { code: 'engine_unavailable', message: 'not now' } }),
  };

  test('nothing is sent twice by default', async () => {
    const stub = await startStub(() => busy);
    await expect(createClient(stub).call(ask('x'))).rejects.toMatchObject({
      code: 'engine_unavailable',
      retryAfterMs: 5,
      mayRetry: true,
    });
    expect(stub.keys).toEqual([undefined]);
  });

  test('with retries every try carries the same idempotency key', async () => {
    const stub = await startStub((tries) => (tries < 3 ? busy : { status: 200, body: '{"choices":[]}' }));
    await createClient(stub).call(ask('x'), { retries: 2 });
    expect(stub.keys).toHaveLength(3);
    expect(stub.keys[0]).toBeDefined();
    expect(new Set(stub.keys).size).toBe(1);
  });

  test('a signal ends the wait for the next try', async () => {
    const stub = await startStub(() => ({ ...busy, headers: { ...busy.headers, 'retry-after-ms': '60000' } }));
    const controller = new AbortController();
    const call = createClient(stub).call(ask('x'), { retries: 1, signal: controller.signal });
    await until('the first try is refused', () => stub.keys.length === 1);
    controller.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    expect(stub.keys).toHaveLength(1);
  });

  test('an error that a repeat cannot help is not repeated', async () => {
    const stub = await startStub(() => ({
      status: 402,
      body: JSON.stringify({ error: { code: 'budget_exceeded', message: 'no' } }),
    }));
    await expect(createClient(stub).call(ask('x'), { retries: 5 })).rejects.toMatchObject({ code: 'budget_exceeded' });
    expect(stub.keys).toHaveLength(1);
  });

  test.each([
    ['a page of something else', 502, '<html>'],
    ['an answer that is not JSON', 200, 'hello'],
  ])('%s is said to be no gateway', async (_what, status, body) => {
    const stub = await startStub(() => ({ status, body }));
    await expect(createClient(stub).call(ask('x'))).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining('not a Holdfast gateway'),
    });
  });

  test('a stream without its end mark is an error, however much of it came', async () => {
    const stub = await startStub(() => ({
      status: 200,
      headers: { 'x-holdfast-call-id': 'call_1' },
      body: 'data: {"choices":[]}\n\n',
    }));
    const chunks: unknown[] = [];
    const read = async () => {
      for await (const chunk of await createClient(stub).stream(ask('x'))) chunks.push(chunk);
    };
    await expect(read()).rejects.toMatchObject({ code: 'engine_unavailable', callId: 'call_1' });
    expect(chunks).toHaveLength(1);
  });

  test('nobody there, or no address at all, is said plainly', async () => {
    await expect(createClient({ url: 'http://127.0.0.1:9' }).call(ask('x'))).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining('http://127.0.0.1:9'),
    });
    expect(() => createClient({ url: 'localhost:4000' })).toThrow('http://127.0.0.1:4000');
  });
});

describe('straight to Temporal', () => {
  test('a call is governed, charged and answered like any other; its content is had over HTTP', async () => {
    const holdfast = createTemporalClient({ client: node.client });
    const call = await holdfast.start(ask('sim/sim-small', 'from a workflow'), { tags: { from: 'temporal' } });
    const result = await call.result();
    expect(result).toMatchObject({
      callId: call.id,
      outcome: 'succeeded',
      provider: 'sim',
      attempts: 1,
      pricing: 'priced',
    });
    expect(JSON.stringify(result)).not.toContain('[simulated]');
    expect(await call.describe()).toMatchObject({ status: 'COMPLETED' });
    const { call: seen, answer } = await client.getCall(call.id).result();
    expect(seen).toMatchObject({ costNanoUsd: result.costNanoUsd, tags: { from: 'temporal' } });
    expect(textOf(answer)).toContain('[simulated]');
  });

  test('an idempotency key stands for the same call id as at the gateway', async () => {
    const before = node.simulator.count;
    const { callId } = await client.call(ask('sim/sim-small'), { idempotencyKey: 'both-doors' });
    const call = await createTemporalClient({ client: node.client }).start(ask('sim/sim-small'), {
      idempotencyKey: 'both-doors',
    });
    expect(call.id).toBe(callId);
    expect(await call.result()).toMatchObject({ callId, outcome: 'succeeded' });
    expect(node.simulator.count - before).toBe(1);
  });

  test.each([
    ['no object', 'hunter2'],
    ['no principal', { kind: 'chat', model: 'smart', requestRef: null, inline: { body: {} } }],
    ['a request that is text', { ...inlineInput(), inline: 'hunter2' }],
    ['the id of another call', { ...inlineInput(), callId: 'call_of-another' }],
  ])('%s: the workflow fails at once with one typed error, and nothing is recorded', async (_what, input) => {
    const workflowId = newCallId();
    const args = [typeof input === 'string' ? input : { callId: workflowId, ...input }];
    const handle = await node.client.workflow.start('llmCall', { workflowId, taskQueue: TASK_QUEUE, args });
    const failed: unknown = await handle.result().catch((error: unknown) => error);
    expect(failed).toMatchObject({ cause: { type: 'invalid_request', nonRetryable: true } });
    expect(JSON.stringify(failed)).not.toContain('hunter2');
    for (const id of [workflowId, 'call_of-another']) {
      await expect(client.getCall(id).describe()).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  test('a body or a wire that no door takes is a call that failed', async () => {
    for (const inline of [
      { wire: 'openai-chat', body: { model: 'sim/sim-small', messages: 'hunter2' }, stream: false },
      { wire: 'morse', body: { model: 'sim/sim-small' }, stream: false },
    ]) {
      const workflowId = newCallId();
      const args = [{ ...inlineInput(), callId: workflowId, inline }];
      await node.client.workflow.start('llmCall', { workflowId, taskQueue: TASK_QUEUE, args });
      const holdfast = createTemporalClient({ client: node.client });
      await expect(holdfast.getCall(workflowId).result()).rejects.toMatchObject({ code: 'invalid_request' });
      expect(await client.getCall(workflowId).describe()).toMatchObject({ outcome: 'failed', attempts: [] });
    }
  });

  test('an input that no call can have is refused before anything starts', async () => {
    const nobody = createTemporalClient({ client: node.client, tenant: '' });
    await expect(nobody.start(ask('sim/sim-small'))).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'principal.tenant',
    });
  });

  test('a refused call and a cancelled one are errors', async () => {
    const poor = createTemporalClient({ client: node.client, tenant: 'poor' });
    await expect((await poor.start(ask('poor'))).result()).rejects.toMatchObject({ code: 'budget_exceeded' });
    const call = await createTemporalClient({ client: node.client }).start(ask('slow'), {
      callId: 'call_of-a-trusted-caller',
    });
    await call.cancel();
    await expect(call.result()).rejects.toMatchObject({ code: 'cancelled' });
  });
});
