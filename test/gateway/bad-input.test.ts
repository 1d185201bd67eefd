/** Bad input gets one clear typed error; nothing is spent, nothing is started, nothing is stored. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

let test: TestNode;
const CHAT = '/v1/chat/completions';
const ok = { model: 'small', messages: [{ role: 'user', content: 'hi' }] };

beforeAll(async () => {
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
  claude: { kind: anthropic, baseUrl: SIM, apiKey: env:CLAUDE_KEY, allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  slow: { targets: [{ provider: sim, model: sim-small+pace=100 }] }
  claude: { targets: [{ provider: claude, model: claude-sonnet-4-5 }] }
`.replace('providers:', 'security: { redact: [email] }\nproviders:'),
    env: { CLAUDE_KEY: 'sk-ant-x' },
  });
});
afterAll(() => test.stop());

async function refusal(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await test.post(path, body, headers);
  return {
    status: response.status,
    headers: response.headers,
    ...((await response.json()) as { error: Record<string, unknown> }),
  };
}

const cases: [string, string, unknown, Record<string, string>, number, string, string | null][] = [
  ['an empty body', CHAT, '', {}, 400, 'invalid_request', null],
  ['malformed JSON', CHAT, '{"model": "small", ', {}, 400, 'invalid_request', null],
  ['a JSON array', CHAT, [], {}, 400, 'invalid_request', null],
  ['a JSON null', CHAT, 'null', {}, 400, 'invalid_request', null],
  ['invalid UTF-8', CHAT, new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), {}, 400, 'invalid_request', null],
  ['a missing model', CHAT, { messages: ok.messages }, {}, 400, 'invalid_request', 'model'],
  ['a model of the wrong type', CHAT, { ...ok, model: 7 }, {}, 400, 'invalid_request', 'model'],
  ['an unknown model', CHAT, { ...ok, model: 'nope' }, {}, 404, 'not_found', 'model'],
  ['an unknown provider', CHAT, { ...ok, model: 'nope/gpt-4o' }, {}, 404, 'not_found', 'model'],
  ['missing messages', CHAT, { model: 'small' }, {}, 400, 'invalid_request', 'messages'],
  ['no messages', CHAT, { ...ok, messages: [] }, {}, 400, 'invalid_request', 'messages'],
  ['messages of the wrong type', CHAT, { ...ok, messages: 'hi' }, {}, 400, 'invalid_request', 'messages'],
  [
    'an unknown role',
    CHAT,
    { ...ok, messages: [{ role: 'king', content: 'x' }] },
    {},
    400,
    'invalid_request',
    'messages[0].role',
  ],
  ['a negative max_tokens', CHAT, { ...ok, max_tokens: -5 }, {}, 400, 'invalid_request', 'max_tokens'],
  ['a fractional max_tokens', CHAT, { ...ok, max_tokens: 1.5 }, {}, 400, 'invalid_request', 'max_tokens'],
  ['a temperature out of range', CHAT, { ...ok, temperature: -0.1 }, {}, 400, 'invalid_request', 'temperature'],
  ['a stream flag of the wrong type', CHAT, { ...ok, stream: 'yes' }, {}, 400, 'invalid_request', 'stream'],
  [
    'an unsupported capability',
    '/v1/embeddings',
    { model: 'claude', input: 'x' },
    {},
    400,
    'capability_missing',
    'model',
  ],
  ['no embedding input', '/v1/embeddings', { model: 'small', input: [] }, {}, 400, 'invalid_request', 'input'],
  ['an empty idempotency key', CHAT, ok, { 'idempotency-key': '' }, 400, 'invalid_request', 'Idempotency-Key'],
  [
    'an endless idempotency key',
    CHAT,
    ok,
    { 'idempotency-key': 'k'.repeat(256) },
    400,
    'invalid_request',
    'Idempotency-Key',
  ],
  ['tags that are not JSON', CHAT, ok, { 'x-holdfast-tags': 'a=b' }, 400, 'invalid_request', 'x-holdfast-tags'],
  ['tags that are not strings', CHAT, ok, { 'x-holdfast-tags': '{"a":1}' }, 400, 'invalid_request', 'x-holdfast-tags'],
  ['an unsupported mode', CHAT, ok, { 'x-holdfast-mode': 'later' }, 400, 'invalid_request', 'x-holdfast-mode'],
  [
    'a secret in the prompt',
    CHAT,
    { ...ok, messages: [{ role: 'user', content: `my key is AKIAABCDEFGHIJ234567` }] },
    {},
    400,
    'content_blocked',
    'messages[0].content',
  ],
  ['an Anthropic body without max_tokens', '/v1/messages', ok, {}, 400, 'invalid_request', null],
  [
    'tags that are not UTF-8',
    CHAT,
    ok,
    { 'x-holdfast-tags': '{"a":"\xe9"}' },
    400,
    'invalid_request',
    'x-holdfast-tags',
  ],
  ['models beside the model', CHAT, { ...ok, models: ['sim/sim-paced'] }, {}, 400, 'invalid_request', 'models'],
  ['a path that is no URL', '/api/v1/calls/%zz', ok, {}, 400, 'invalid_request', null],
  ['an id without end', `/api/v1/calls/${'x'.repeat(300)}/cancel`, ok, {}, 400, 'invalid_request', null],
  ['a path that is not there', '/v1/nothing', ok, {}, 404, 'not_found', null],
];

/**
 * Sends bytes and leaves its own side open, until the gateway has let go of the connection. Gives all that came.
 * @param next is sent once something has come.
 */
async function saysTo(bytes: string, next?: string): Promise<string> {
  const { port } = new URL(test.url);
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(bytes));
  let text = '';
  let probe: NodeJS.Timeout | undefined;
  socket.on('data', (chunk) => {
    text += chunk.toString();
    if (next !== undefined) socket.write(next);
    next = undefined;
  });
  // A connection that is only half closed would take this for ever.
  socket.on('end', () => (probe = setInterval(() => socket.write('x'), 20)));
  // What is written to a connection that is gone fails, which is what is waited for.
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.on('close', resolve));
  clearInterval(probe);
  return text;
}

describe('the gateway refuses', () => {
  for (const [what, path, body, headers, status, code, param] of cases) {
    it(`${what}: ${status} ${code}`, async () => {
      const hits = test.simulator.count;
      const { calls: before } = await test.get<{ calls: CallView[] }>('/api/v1/calls?limit=1000');
      const refused = await refusal(path, body, headers);
      expect(refused).toMatchObject({ status, error: { code } });
      if (param !== null) expect(refused.error['param']).toBe(param);
      expect(refused.headers.get('x-should-retry')).toBe('false');
      expect(refused.headers.get('x-request-id')).toMatch(/^req_/);
      const { calls: after } = await test.get<{ calls: CallView[] }>('/api/v1/calls?limit=1000');
      expect(after.length).toBe(before.length);
      expect(test.simulator.count).toBe(hits);
    });
  }

  it('a body over the limit, before reading all of it', async () => {
    const refused = await refusal(CHAT, `{"model":"small","x":"${'x'.repeat(21 * 1024 * 1024)}"}`);
    expect(refused).toMatchObject({ status: 413, error: { code: 'invalid_request' } });
  });

  it.each([
    ['a header with a line break', `host: x\r\nidempotency-key: a\nx-evil: 1\r\ncontent-length: 2\r\n\r\n{}`, 400],
    ['headers without end', `host: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['what is not HTTP', '\0\r\n\r\n', 400],
  ])('%s, at the parser, and says so as always', async (_, rest, status) => {
    const before = test.simulator.count;
    const answer = await saysTo(`POST ${CHAT} HTTP/1.1\r\n${rest}`);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    expect(head).toMatch(/^x-request-id: req_/m);
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'invalid_request', type: 'invalid_request_error' } });
    expect(test.simulator.count).toBe(before);
  });

  it('garbage behind a request whose answer has begun, without a word into that answer', async () => {
    const body = JSON.stringify({ ...ok, model: 'slow', stream: true });
    const request = `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${String(body.length)}`;
    const answer = await saysTo(`${request}\r\n\r\n${body}`, '\0 garbage \r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).not.toContain('HTTP/1.1 400');
    expect(answer).not.toContain('[DONE]');
  });

  it('never echoes the prompt in an error', async () => {
    const response = await test.post(CHAT, '{"model":"small","messages":"CANARY-PROMPT" oops}');
    expect(await response.text()).not.toContain('CANARY-PROMPT');
  });

  it('masks personal data before the provider and the ledger see it', async () => {
    const response = await test.post(CHAT, {
      model: 'small',
      messages: [{ role: 'user', content: 'write to ada@example.com now' }],
    });
    expect(response.status).toBe(200);
    expect(JSON.stringify(test.simulator.seen.at(-1)?.body)).toContain('write to [email] now');
  });

  it('takes tags as UTF-8, as curl sends them, as well as in escapes', async () => {
    for (const [sent, user] of [
      [Buffer.from('{"user":"josé"}').toString('latin1'), 'josé'],
      ['{"user":"jos\\u00e9"}', 'josé'],
    ] as const) {
      const response = await test.post(CHAT, ok, { 'x-holdfast-tags': sent });
      const id = response.headers.get('x-holdfast-call-id') ?? '';
      expect((await test.get<CallView>(`/api/v1/calls/${id}`)).tags).toEqual({ user });
    }
  });

  it('masks and blocks in tags as in the prompt', async () => {
    const tags = (value: string) => ({ 'x-holdfast-tags': JSON.stringify({ who: value }) });
    const masked = await test.post(CHAT, ok, tags('ada@example.com'));
    const call = await test.get<CallView>(`/api/v1/calls/${masked.headers.get('x-holdfast-call-id')!}`);
    expect(call.tags).toEqual({ who: '[email]' });
    const blocked = await test.post(CHAT, ok, tags(['AKIA', 'ABCDEFGHIJ234567'].join('')));
    expect(blocked.status).toBe(400);
  });

  it('keeps a __proto__ field a plain field', async () => {
    const response = await test.post(
      CHAT,
      '{"model":"small","messages":[{"role":"user","content":"p"}],"__proto__":{"polluted":true}}',
    );
    expect(response.status).toBe(200);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
