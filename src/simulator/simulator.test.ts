import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/support/test-node.ts';
import type { JsonObject } from '../core/json.ts';
import { behaviourOf } from './behaviour.ts';
import { startSimulator, type Simulator } from './simulator.ts';

let simulator: Simulator;
let unique = 0;
beforeAll(async () => {
  simulator = await startSimulator({ maxSeen: 100 });
});
afterAll(() => simulator.close());
beforeEach(() => void (unique += 1));

const asking = (content: string, extra: JsonObject = {}) => ({ messages: [{ role: 'user', content }], ...extra });
const ask = (path: string, body: unknown, signal?: AbortSignal) =>
  fetch(simulator.url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
const chat = (model: string, extra: JsonObject = {}, content = `question ${String(unique)}`) =>
  ask('/v1/chat/completions', { model, ...asking(content, extra) });
const textOf = async (response: Promise<Response>) => (await response).text();

describe('an answer', () => {
  const wires: [string, string, JsonObject][] = [
    ['OpenAI', '/v1/chat/completions', { model: 'sim-small', ...asking('same') }],
    ['Anthropic', '/v1/messages', { model: 'sim-small', ...asking('same') }],
    ['Gemini', '/v1beta/models/sim-small:generateContent', { contents: [{ parts: [{ text: 'same' }] }] }],
    ['OpenAI streamed', '/v1/chat/completions', { model: 'sim-small', stream: true, ...asking('same') }],
    ['Anthropic streamed', '/v1/messages', { model: 'sim-small', stream: true, ...asking('same') }],
    [
      'Gemini streamed',
      '/v1beta/models/sim-small:streamGenerateContent',
      { contents: [{ parts: [{ text: 'same' }] }] },
    ],
  ];
  it.each(wires)("in %s's wire says that it is simulated, and is the same each time", async (_, path, body) => {
    const first = await textOf(ask(path, body));
    expect(first).toContain('[simulated]');
    expect(await textOf(ask(path, body))).toBe(first);
  });

  it('to another question has another id, and the length that the model is named for', async () => {
    const [first, second] = await Promise.all(
      ['one', 'two'].map(async (content) => (await chat('sim-small', {}, content)).json()),
    );
    expect((first as { id: string }).id).not.toBe((second as { id: string }).id);
    const words = async (model: string) =>
      (
        (await (await chat(model)).json()) as { choices: { message: { content: string } }[] }
      ).choices[0]?.message.content.split(' ').length;
    expect(await words('sim-small+words=3')).toBe(1 + 3);
    expect(await words('sim-small')).toBe(1 + 24);
  });

  it('calls each offered tool once with arguments of its schema, and not again after its result', async () => {
    const tools = [
      {
        type: 'function',
        function: { name: 'f', parameters: { type: 'object', properties: { n: { type: 'integer' } } } },
      },
    ];
    const called = (await (await chat('sim-small', { tools })).json()) as {
      choices: [{ message: { tool_calls: unknown } }];
    };
    expect(called.choices[0].message.tool_calls).toMatchObject([{ function: { name: 'f', arguments: '{"n":1}' } }]);
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'tool', content: '1' },
    ];
    const after = await textOf(ask('/v1/chat/completions', { model: 'sim-small', messages, tools }));
    expect(after).toContain('[simulated]');
    expect(await textOf(chat('sim-small', { tools, tool_choice: 'none' }))).toContain('[simulated]');
  });

  it('has embeddings of the asked size, of unit length, equal for equal texts', async () => {
    const response = await ask('/v1/embeddings', { model: 'sim-embedding', input: ['a', 'b', 'a'], dimensions: 8 });
    const { data } = (await response.json()) as { data: { embedding: number[] }[] };
    expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8, 8]);
    expect(data[0]?.embedding).toEqual(data[2]?.embedding);
    expect(data[0]?.embedding).not.toEqual(data[1]?.embedding);
    expect(Math.hypot(...(data[0]?.embedding ?? []))).toBeCloseTo(1);
  });
});

describe('a failure', () => {
  it('comes as often as told for the same question, then the answer; each question counts apart', async () => {
    const statuses: number[] = [];
    for (let round = 0; round < 4; round++) statuses.push((await chat('sim-small+status=500+times=2')).status);
    expect(statuses).toEqual([500, 500, 200, 200]);
    expect((await chat('sim-small+status=500+times=2', {}, `another ${String(unique)}`)).status).toBe(500);
  });

  it('sends retry-after-ms as told', async () => {
    const busy = await chat('sim-busy');
    expect([busy.status, busy.headers.get('retry-after-ms')]).toEqual([429, '400']);
    expect((await chat('sim-busy')).status).toBe(200);
    expect((await chat('sim-down')).headers.get('retry-after-ms')).toBeNull();
  });

  it.each(['/v1/chat/completions', '/v1/messages'])('of an unknown option is 404 at %s', async (path) => {
    for (const model of ['sim-small+speed=9', 'sim-small+delay=-1', 'sim-small+delay=x', 'sim-small+delay']) {
      expect((await ask(path, { model, ...asking('x') })).status).toBe(404);
    }
  });

  it.each(['', '[]', 'nope', '"x"'])('of the body %j is 400, and the simulator lives on', async (body) => {
    expect((await ask('/v1/chat/completions', body)).status).toBe(400);
    expect((await chat('sim-small')).status).toBe(200);
  });
});

describe('time', () => {
  it('delay comes before the first byte', async () => {
    const started = performance.now();
    await chat('sim-small+delay=150');
    expect(performance.now() - started).toBeGreaterThanOrEqual(145);
  });

  it('pace comes between the events of a stream', async () => {
    const started = performance.now();
    await textOf(chat('sim-small+pace=10+words=10', { stream: true }));
    expect(performance.now() - started).toBeGreaterThanOrEqual(90);
  });

  it('a client that leaves is not answered, and is seen as gone', async () => {
    const controller = new AbortController();
    const content = `leaves ${String(unique)}`;
    const pending = ask(
      '/v1/chat/completions',
      { model: 'sim-small+delay=60000', ...asking(content) },
      controller.signal,
    );
    const seen = () => simulator.seen.find(({ body }) => JSON.stringify(body).includes(content));
    await until('it has arrived', () => seen() !== undefined);
    expect(seen()?.status).toBe(0);
    controller.abort();
    await expect(pending).rejects.toThrow();
    await until('it is seen as gone', () => seen()?.status === -1);
  });

  it('times ends the cuts too', async () => {
    const first = await chat('sim-small+cut=3+times=1', { stream: true });
    await expect(first.text()).rejects.toThrow();
    expect(await (await chat('sim-small+cut=3+times=1', { stream: true })).text()).toContain('[DONE]');
  });

  it('cut closes the socket after that many events', async () => {
    const response = await chat('sim-small+cut=3', { stream: true });
    expect(response.status).toBe(200);
    let text = '';
    const read = async () => {
      const decoder = new TextDecoder();
      for await (const bytes of response.body ?? []) text += decoder.decode(bytes as Uint8Array, { stream: true });
    };
    await expect(read()).rejects.toThrow();
    expect(text.match(/data: /g)).toHaveLength(3);
    expect(simulator.seen.at(-1)?.status).toBe(-1);
  });

  it('holds keeps an answer back until it is told to go on, and the next one again', async () => {
    const before = simulator.count;
    for (const content of ['one', 'the next one']) {
      let isThere = false;
      const answer = chat('sim-small+holds=1', {}, content).then((response) => {
        isThere = true;
        return response.text();
      });
      // An answer that is not kept back overtakes it.
      await until('it is asked', () => simulator.seen.at(-1)?.model === 'sim-small+holds=1');
      expect(await textOf(chat('sim-small', {}, content))).toContain('[simulated]');
      expect(isThere).toBe(false);
      simulator.release();
      expect(await answer).toContain('[simulated]');
    }
    expect(simulator.count - before).toBe(4);
  });

  it('holds stops a stream after that many events', async () => {
    const response = await chat('sim-small+holds=3', { stream: true });
    let text = '';
    let stops = 0;
    for await (const bytes of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += bytes;
      if (text.match(/data: /g)?.length !== 3) continue;
      expect(simulator.seen.at(-1)?.status).toBe(0);
      stops += 1;
      simulator.release();
    }
    expect(stops).toBe(1);
    expect(text).toContain('[DONE]');
  });

  it('holds lets go of who leaves', async () => {
    const leaving = new AbortController();
    const body = { model: 'sim-small+holds=1', ...asking('leaves') };
    const left = ask('/v1/chat/completions', body, leaving.signal).catch(() => null);
    await until('it is asked', () => JSON.stringify(simulator.seen.at(-1)?.body).includes('leaves'));
    leaving.abort();
    expect(await left).toBeNull();
    await until('its connection is closed', () => simulator.seen.at(-1)?.status === -1);
  });
});

describe('the truth that it keeps', () => {
  it('has every request with its headers, newest last, and counts all though it remembers some', async () => {
    const small = await startSimulator({ maxSeen: 2 });
    const post = (content: string) =>
      fetch(`${small.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'x-mark': content },
        body: JSON.stringify({ model: 'sim-small', ...asking(content) }),
      }).then((response) => response.text());
    for (const content of ['a', 'b', 'c']) await post(content);
    expect(small.count).toBe(3);
    expect(small.seen.map(({ headers }) => headers['x-mark'])).toEqual(['b', 'c']);
    expect(small.seen.at(-1)).toMatchObject({
      path: '/v1/chat/completions',
      model: 'sim-small',
      stream: false,
      status: 200,
    });
    await small.close();
    await expect(post('d')).rejects.toThrow();
  });

  it('does not count questions about itself', async () => {
    const before = simulator.count;
    expect(await (await fetch(`${simulator.url}/v1/models`)).json()).toEqual({ object: 'list', data: [] });
    expect(await (await fetch(simulator.url)).json()).toEqual({ simulated: true });
    expect(simulator.count).toBe(before);
  });
});

it('reads behaviour from names', () => {
  expect(behaviourOf('sim-busy')).toMatchObject({ status: 429, times: 1, retryAfter: 400 });
  expect(behaviourOf('sim-busy+status=500+delay=5')).toMatchObject({ status: 500, times: 1, delay: 5 });
  expect(behaviourOf('gpt-4o')).toEqual(behaviourOf('sim-small'));
  expect(() => behaviourOf('sim-small+__proto__=1')).toThrow(RangeError);
});
