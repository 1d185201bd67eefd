/** The official Anthropic client against the gateway, over its own wire and over others. */
import Anthropic, {
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';

const KEY = `hk_${'a'.repeat(43)}`;
const NARROW = `hk_${'n'.repeat(43)}`;

let test: TestNode;
let anthropic: Anthropic;
const clientFor = (apiKey: string) => new Anthropic({ apiKey, baseURL: test.url, maxRetries: 0 });
const ask = (content: string) => ({ max_tokens: 200, messages: [{ role: 'user' as const, content }] });

beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
  claude: { kind: anthropic, baseUrl: SIM, apiKey: env:CLAUDE_KEY, allowPrivateAddress: true }
  google: { kind: gemini, baseUrl: SIM, apiKey: env:GOOGLE_KEY, allowPrivateAddress: true }
models:
  claude: { targets: [{ provider: claude, model: sim-small }] }
  openai: { targets: [{ provider: sim, model: sim-small }] }
  gemini: { targets: [{ provider: google, model: sim-small }] }
  down: { targets: [{ provider: claude, model: sim-small+status=529 }], retries: { maxAttempts: 1 } }
  limited: { targets: [{ provider: claude, model: sim-small+status=429+retryAfter=50000 }], retries: { maxAttempts: 1 } }
keys:
  - { name: app, hash: "${hashVirtualKey(KEY)}" }
  - { name: narrow, hash: "${hashVirtualKey(NARROW)}", models: [claude] }
`,
    env: { CLAUDE_KEY: 'sk-ant-test-claude-key', GOOGLE_KEY: 'google-test-key' },
  });
  anthropic = clientFor(KEY);
});
afterAll(() => test.stop());

describe('the Anthropic client', () => {
  it("reaches an Anthropic provider with the body untouched but for the model, and the provider's key", async () => {
    const answer = await anthropic.messages.create({
      ...ask('untouched'),
      model: 'claude',
      metadata: { user_id: 'u1' },
      stop_sequences: ['END'],
    });
    expect(answer.content[0]).toMatchObject({ type: 'text' });
    const seen = test.simulator.seen.at(-1);
    expect(seen?.body).toEqual({
      ...ask('untouched'),
      model: 'sim-small',
      metadata: { user_id: 'u1' },
      stop_sequences: ['END'],
    });
    expect(seen?.headers['x-api-key']).toBe('sk-ant-test-claude-key');
    expect(seen?.path).toBe('/v1/messages');
  });

  for (const model of ['claude', 'openai', 'gemini']) {
    it(`gets the same text from ${model} whole and streamed, with events in Anthropic's order`, async () => {
      const whole = await anthropic.messages.create({ ...ask(`text ${model}`), model });
      const stream = anthropic.messages.stream({ ...ask(`text ${model}`), model });
      const kinds: string[] = [];
      stream.on('streamEvent', ({ type }) => kinds.push(type));
      const final = await stream.finalMessage();
      expect(final.content).toEqual(whole.content);
      expect(final.stop_reason).toBe('end_turn');
      expect(final.usage.output_tokens).toBe(whole.usage.output_tokens);
      expect(kinds[0]).toBe('message_start');
      expect(kinds.slice(-2)).toEqual(['message_delta', 'message_stop']);
    });

    it(`gets tool calls from ${model}, whole and streamed`, async () => {
      const request = {
        ...ask(`tool ${model}`),
        model,
        tools: [
          { name: 'weather', input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } } },
          { name: 'time', input_schema: { type: 'object' as const, properties: { zone: { type: 'string' } } } },
        ],
      };
      const uses = (content: Anthropic.ContentBlock[]) =>
        content.flatMap((block) => (block.type === 'tool_use' ? [[block.name, block.input]] : []));
      const whole = await anthropic.messages.create(request);
      expect(uses(whole.content)).toEqual([
        ['weather', { city: 'simulated' }],
        ['time', { zone: 'simulated' }],
      ]);
      expect(whole.stop_reason).toBe('tool_use');
      const streamed = await anthropic.messages.stream(request).finalMessage();
      expect(uses(streamed.content)).toEqual(uses(whole.content));
    });
  }

  it("sees Anthropic's own typed errors", async () => {
    await expect(clientFor('hk_wrong').messages.create({ ...ask('x'), model: 'claude' })).rejects.toBeInstanceOf(
      AuthenticationError,
    );
    await expect(anthropic.messages.create({ ...ask('x'), model: 'nope' })).rejects.toBeInstanceOf(NotFoundError);
    await expect(clientFor(NARROW).messages.create({ ...ask('x'), model: 'openai' })).rejects.toBeInstanceOf(
      PermissionDeniedError,
    );
    await expect(
      anthropic.messages.create({ model: 'claude', max_tokens: -1, messages: ask('x').messages }),
    ).rejects.toBeInstanceOf(BadRequestError);
    await expect(anthropic.messages.create({ ...ask('x'), model: 'limited' })).rejects.toBeInstanceOf(RateLimitError);
    const down = await anthropic.messages.create({ ...ask('x'), model: 'down' }).catch((error: unknown) => error);
    expect(down).toMatchObject({ status: 502, error: { type: 'error', error: { type: 'overloaded_error' } } });
    expect((down as { requestID: string }).requestID).toMatch(/^req_/);
  });

  it('aborts a stream, and the provider is stopped', async () => {
    const stream = anthropic.messages
      .stream({ ...ask('abort this stream'), model: 'openai/x' }, {})
      .on('error', () => undefined);
    stream.abort();
    await expect(stream.done()).rejects.toThrow();
    const paced = anthropic.messages.stream({ ...ask('abort paced'), model: 'sim/sim-small+pace=200' });
    const failed = paced.done().catch((error: unknown) => error);
    const seen = () => test.simulator.seen.find(({ body }) => JSON.stringify(body).includes('abort paced'));
    await until('text arrives', () => paced.receivedMessages.length > 0 || paced.currentMessage !== undefined);
    paced.abort();
    expect(await failed).toBeInstanceOf(Error);
    await until('the provider connection is closed', () => seen()?.status === -1, 5_000);
  });

  it('lists models in its own shape', async () => {
    const page = await anthropic.models.list();
    expect(page.data.map(({ id, type }) => [id, type])).toContainEqual(['claude', 'model']);
  });
});
