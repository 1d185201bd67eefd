/** The official OpenAI client against the gateway: what its users see. */
import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

const KEY = `hk_${'a'.repeat(43)}`;
const ADMIN = `hk_${'b'.repeat(43)}`;
const LIMITED = `hk_${'c'.repeat(43)}`;

let test: TestNode;
let openai: OpenAI;
const clientFor = (apiKey: string, extra: object = {}) => new OpenAI({ apiKey, baseURL: `${test.url}/v1`, ...extra });
const message = (content: string) => [{ role: 'user' as const, content }];

beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
  claude: { kind: anthropic, baseUrl: SIM, apiKey: env:CLAUDE_KEY, allowPrivateAddress: true }
  google: { kind: gemini, baseUrl: SIM, apiKey: env:GOOGLE_KEY, allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  claude: { targets: [{ provider: claude, model: sim-small }] }
  gemini: { targets: [{ provider: google, model: sim-small }] }
  failing: { targets: [{ provider: sim, model: sim-down }, { provider: sim, model: sim-small+status=500 }], retries: { maxAttempts: 1 } }
  limited: { targets: [{ provider: sim, model: sim-small+status=429+retryAfter=50000 }], retries: { maxAttempts: 1 } }
  rejected: { targets: [{ provider: sim, model: sim-small+status=400 }] }
  failover: { targets: [{ provider: sim, model: sim-down }, { provider: claude, model: sim-small }], retries: { maxAttempts: 1 } }
keys:
  - { name: app, hash: "${hashVirtualKey(KEY)}" }
  - { name: admin, hash: "${hashVirtualKey(ADMIN)}", roles: [caller, admin] }
  - { name: limited, hash: "${hashVirtualKey(LIMITED)}", models: [small], limits: { requestsPerMinute: 2 } }
`,
    env: { CLAUDE_KEY: 'sk-ant-test-claude-key', GOOGLE_KEY: 'google-test-key' },
  });
  openai = clientFor(KEY, { maxRetries: 0 });
});
afterAll(() => test.stop());

const callOf = (id: string) => test.get<CallView>(`/api/v1/calls/${id}`, { authorization: `Bearer ${ADMIN}` });

describe('the OpenAI client', () => {
  it('gets an answer, and the ledger has its price', async () => {
    const before = test.simulator.count;
    const { data, response } = await openai.chat.completions
      .create({ model: 'small', messages: message('hello') })
      .withResponse();
    expect(data.choices[0]?.message.content).toContain('[simulated]');
    expect(data.system_fingerprint).toBe('simulator');
    expect(test.simulator.count - before).toBe(1);
    expect(response.headers.get('x-holdfast-provider')).toBe('sim');
    expect(response.headers.get('x-holdfast-cost-usd')).toMatch(/^0\.\d+$/);
    const call = await callOf(response.headers.get('x-holdfast-call-id')!);
    expect(call).toMatchObject({ state: 'ended', outcome: 'succeeded', pricing: 'priced', key: 'app' });
    expect(BigInt(call.costNanoUsd)).toBeGreaterThan(0n);
    expect(call.attempts).toHaveLength(1);
    expect(call.attempts[0]).toMatchObject({ n: 1, state: 'settled', provider: 'sim', model: 'sim-small' });
  });

  for (const model of ['small', 'claude', 'gemini']) {
    it(`streams text from ${model}, in order, with usage only when asked`, async () => {
      const content = `stream ${model}`;
      const whole = await openai.chat.completions.create({ model, messages: message(content) });
      const plain = await openai.chat.completions.create({ model, messages: message(content), stream: true });
      let text = '';
      const roles: string[] = [];
      const usages: unknown[] = [];
      for await (const chunk of plain) {
        text += chunk.choices[0]?.delta.content ?? '';
        if (chunk.choices[0]?.delta.role) roles.push(chunk.choices[0].delta.role);
        if (chunk.usage) usages.push(chunk.usage);
      }
      expect(text).toBe(whole.choices[0]?.message.content);
      expect(roles).toEqual(['assistant']);
      expect(usages).toEqual([]);
      const asked = await openai.chat.completions.create({
        model,
        messages: message(content),
        stream: true,
        stream_options: { include_usage: true },
      });
      const last = (await Array.fromAsync(asked)).at(-1);
      expect(last?.choices).toEqual([]);
      expect(last?.usage?.total_tokens).toBe(whole.usage?.total_tokens);
    });

    it(`gets parallel tool calls from ${model}, streamed like whole`, async () => {
      const tool = (name: string) => ({
        type: 'function' as const,
        function: {
          name,
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
      });
      const request = { model, messages: message(`tools ${model}`), tools: [tool('weather'), tool('time')] };
      const whole = await openai.chat.completions.create(request);
      const calls = whole.choices[0]?.message.tool_calls ?? [];
      expect(
        calls.map((call) => call.type === 'function' && [call.function.name, JSON.parse(call.function.arguments)]),
      ).toEqual([
        ['weather', { city: 'simulated' }],
        ['time', { city: 'simulated' }],
      ]);
      expect(whole.choices[0]?.finish_reason).toBe('tool_calls');
      const streamed = await openai.chat.completions.stream(request).finalChatCompletion();
      expect(
        streamed.choices[0]?.message.tool_calls?.map((call) => call.type === 'function' && call.function.arguments),
      ).toEqual(calls.map((call) => call.type === 'function' && call.function.arguments));
    });
  }

  it('gets structured output, and embeddings of the asked size in both encodings', async () => {
    const structured = await openai.chat.completions.create({
      model: 'small',
      messages: message('structured'),
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'answer',
          strict: true,
          schema: { type: 'object', properties: { n: { type: 'integer' } } },
        },
      },
    });
    expect(JSON.parse(structured.choices[0]?.message.content ?? '')).toEqual({ n: 1 });
    const packed = await openai.embeddings.create({
      model: 'sim/sim-embedding-small',
      input: ['a', 'b'],
      dimensions: 16,
    });
    const plain = await openai.embeddings.create({
      model: 'sim/sim-embedding-small',
      input: ['a', 'b'],
      dimensions: 16,
      encoding_format: 'float',
    });
    expect(packed.data.map(({ embedding }) => embedding.length)).toEqual([16, 16]);
    expect(packed.data[0]?.embedding[0]).toBeCloseTo(plain.data[0]?.embedding[0] ?? NaN, 5);
  });

  it('lists the models that the key may name', async () => {
    const names = async (client: OpenAI) => (await Array.fromAsync(client.models.list())).map(({ id }) => id);
    expect(await names(openai)).toContain('failover');
    expect(await names(clientFor(LIMITED))).toEqual(['small']);
  });

  it('sees typed errors for what is wrong, each without a provider hit', async () => {
    const before = test.simulator.count;
    await expect(clientFor('hk_wrong').models.list()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(openai.chat.completions.create({ model: 'nope', messages: message('x') })).rejects.toBeInstanceOf(
      NotFoundError,
    );
    await expect(
      openai.chat.completions.create({ model: 'small', messages: message('x'), temperature: 9 }),
    ).rejects.toMatchObject({ status: 400, code: 'invalid_request', param: 'temperature' });
    const denied = await openai.chat.completions
      .create({ model: 'claude', messages: message('x') }, { headers: { authorization: `Bearer ${LIMITED}` } })
      .catch((error: unknown) => error);
    expect(denied).toBeInstanceOf(APIError);
    expect(denied).toMatchObject({ status: 403, code: 'permission_denied' });
    expect(test.simulator.count).toBe(before);
  });

  it('does not retry what the engine already retried, and hears of every attempt', async () => {
    const retrying = clientFor(KEY, { maxRetries: 3 });
    const before = test.simulator.count;
    const error = await retrying.chat.completions
      .create({ model: 'failing', messages: message('all fail') })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 502, code: 'all_candidates_failed' });
    expect((error as APIError).message).toContain('sim/sim-down attempt 1 -> provider_unavailable');
    expect(test.simulator.count - before).toBe(2);
  });

  it("gets the provider's own refusal and rate limit as they are", async () => {
    await expect(openai.chat.completions.create({ model: 'rejected', messages: message('x') })).rejects.toBeInstanceOf(
      BadRequestError,
    );
    const limited = await openai.chat.completions
      .create({ model: 'limited', messages: message('x') })
      .catch((e: unknown) => e);
    expect(limited).toBeInstanceOf(RateLimitError);
    expect((limited as RateLimitError).headers.get('retry-after-ms')).toBe('50000');
  });

  it('is limited per minute at the door, with a time to wait', async () => {
    const client = clientFor(LIMITED, { maxRetries: 0 });
    const attempts = [1, 2, 3].map(() =>
      client.chat.completions.create({ model: 'small', messages: message('limit') }),
    );
    const results = await Promise.allSettled(attempts);
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(2);
    const refused = results.find((result) => result.status === 'rejected');
    expect(refused?.reason).toBeInstanceOf(RateLimitError);
    expect(Number((refused?.reason as RateLimitError).headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('fails over to another wire without noticing', async () => {
    const { data, response } = await openai.chat.completions
      .create({ model: 'failover', messages: message('over') })
      .withResponse();
    expect(data.object).toBe('chat.completion');
    expect(response.headers.get('x-holdfast-attempts')).toBe('2');
    expect(response.headers.get('x-holdfast-provider')).toBe('claude');
  });

  it('stops the provider when it aborts a call that no one can ask for again', async () => {
    const controller = new AbortController();
    const pending = openai.chat.completions.create(
      { model: 'sim/sim-small+delay=20000', messages: message('abort me') },
      { signal: controller.signal },
    );
    const seen = () => test.simulator.seen.find(({ body }) => JSON.stringify(body).includes('abort me'));
    await until('the provider has the request', () => seen() !== undefined);
    controller.abort();
    await expect(pending).rejects.toBeInstanceOf(APIUserAbortError);
    await until('the provider connection is closed', () => seen()?.status === -1, 5_000);
    await until('the call is settled', async () => {
      const { calls } = await test.get<{ calls: CallView[] }>('/api/v1/calls?limit=1', {
        authorization: `Bearer ${ADMIN}`,
      });
      return calls[0]?.outcome === 'cancelled';
    });
  });

  it('answers a repeated Idempotency-Key from the ledger, as a stream too, and refuses another body', async () => {
    const before = test.simulator.count;
    const headers = { 'Idempotency-Key': 'once' };
    const request = { model: 'small', messages: message('only once') };
    const first = await openai.chat.completions.create(request, { headers });
    const again = await openai.chat.completions.create(request, { headers }).withResponse();
    expect(again.data).toEqual(first);
    expect(again.response.headers.get('idempotent-replayed')).toBe('true');
    let text = '';
    for await (const chunk of await openai.chat.completions.create({ ...request, stream: true }, { headers })) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe(first.choices[0]?.message.content);
    await expect(
      openai.chat.completions.create({ model: 'small', messages: message('something else') }, { headers }),
    ).rejects.toMatchObject({ status: 422, code: 'idempotency_conflict' });
    expect(test.simulator.count - before).toBe(1);
  });

  it('attaches ten callers with one key to one call', async () => {
    const before = test.simulator.count;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        openai.chat.completions.create(
          { model: 'sim/sim-small+delay=300', messages: message('ten at once') },
          { headers: { 'Idempotency-Key': 'ten' } },
        ),
      ),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(test.simulator.count - before).toBe(1);
  });

  it('gets an error event, and no end mark, when the provider cuts a started stream', async () => {
    const response = await test.post(
      '/v1/chat/completions',
      { model: 'sim/sim-paced+cut=6', messages: message('cut'), stream: true },
      { authorization: `Bearer ${KEY}` },
    );
    const text = await response.text();
    expect(text).toContain('[simulated]');
    expect(text).toMatch(/data: \{"error":\{.*"code":"provider_unavailable"/);
    expect(text).not.toContain('[DONE]');
    const call = await callOf(response.headers.get('x-holdfast-call-id')!);
    expect(call).toMatchObject({ outcome: 'failed', pricing: 'estimated' });
    // The provider may go on with it, and bill the whole: the hold stands until that is known.
    expect(call.attempts).toMatchObject([{ state: 'unknown', costNanoUsd: '0' }]);
  });
});
