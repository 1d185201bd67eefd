/** Who may call a gateway that asks for no key, what a body may be, and what needs a key where one is asked for. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const CHAT = '/v1/chat/completions';
const KEY = 'hk_test-of-the-open-gateway';
const BODY = JSON.stringify({ model: 'small', messages: [{ role: 'user', content: 'hi' }] });
const MODELS = 'models: { small: { targets: [{ provider: sim, model: sim-small }] } }';

interface Answer {
  status: number;
  error?: { code: string; param: string | null; message: string };
}

/** `fetch` sets `Host` by itself and gives strings a content type. */
function send(url: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method: body === undefined ? 'GET' : 'POST', headers };
    const sent = request(url + path, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const { error } = text.startsWith('{') ? (JSON.parse(text) as Partial<Answer>) : {};
        resolve({ status: response.statusCode ?? 0, ...(error && { error }) });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('a gateway that asks for no key', () => {
  let test: TestNode;
  beforeAll(async () => {
    test = await startTestNode({ config: `providers:${SIM_PROVIDER}\n${MODELS}` });
  });
  afterAll(() => test.stop());

  const json = { 'content-type': 'application/json' };

  it.each(['evil.example', 'evil.example:4000', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '@'])(
    'refuses the Host "%s"',
    async (host) => {
      const hits = test.simulator.count;
      for (const [path, body] of [[CHAT, BODY], ['/api/v1/keys'], ['/metrics'], ['/nothing']] as const) {
        const answer = await send(test.url, path, { ...json, host }, body);
        expect(answer, path).toMatchObject({ status: 403, error: { code: 'permission_denied', param: 'Host' } });
        expect(answer.error?.message).toContain('gateway.auth.required: true');
      }
      expect(test.simulator.count).toBe(hits);
    },
  );

  it.each(['https://evil.example', 'http://localhost.evil.example:80', 'null', 'http://10.0.0.1', 'file://'])(
    'refuses the Origin %s',
    async (origin) => {
      const hits = test.simulator.count;
      for (const [path, body] of [
        [CHAT, BODY],
        ['/api/v1/calls/x/cancel', ''],
      ] as const) {
        const answer = await send(test.url, path, { ...(body && json), origin }, body);
        expect(answer, path).toMatchObject({ status: 403, error: { code: 'permission_denied', param: 'Origin' } });
      }
      expect(test.simulator.count).toBe(hits);
    },
  );

  it.each([
    { host: 'localhost:4000' },
    { host: 'LOCALHOST' },
    { host: 'app.localhost:4000' },
    { host: '127.8.8.8' },
    { host: '[::1]:4000' },
    { origin: 'http://localhost:3000' },
    { origin: 'http://app.localhost' },
    { origin: 'http://[::1]:3000' },
  ])('takes %o', async (headers) => {
    expect(await send(test.url, CHAT, { ...json, ...headers } as never, BODY)).toEqual({ status: 200 });
  });

  it.each([
    'text/plain',
    'text/plain; x=application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ])('refuses a body of the type %s', async (type) => {
    const hits = test.simulator.count;
    for (const path of [CHAT, '/v1/embeddings', '/v1/messages']) {
      const answer = await send(test.url, path, { 'content-type': type }, BODY);
      expect(answer, path).toMatchObject({ status: 400, error: { code: 'invalid_request' } });
      expect(answer.error?.message).toContain('application/json');
      if (type.includes('urlencoded')) expect(answer.error?.message).toContain('curl -d');
    }
    expect(test.simulator.count).toBe(hits);
  });

  it.each(['application/json', 'Application/JSON; charset=utf-8', 'application/vnd.acme+json', null])(
    'takes a body of the type %s',
    async (type) => {
      expect(await send(test.url, CHAT, type === null ? {} : { 'content-type': type }, BODY)).toEqual({ status: 200 });
    },
  );

  it('shows its metrics without a key', async () => {
    expect(await send(test.url, '/metrics', {})).toEqual({ status: 200 });
  });

  it.each(['on', '-1', '1.5', '', 'off, 60'])('refuses x-holdfast-cache "%s"', async (value) => {
    const answer = await send(test.url, CHAT, { ...json, 'x-holdfast-cache': value }, BODY);
    expect(answer).toMatchObject({ status: 400, error: { code: 'invalid_request', param: 'x-holdfast-cache' } });
  });

  it.each(['off', '0', '3600'])('takes x-holdfast-cache %s, and passes over traceparent', async (value) => {
    const headers = { ...json, 'x-holdfast-cache': value, traceparent: 'anything' };
    expect(await send(test.url, CHAT, headers, BODY)).toEqual({ status: 200 });
  });
});

describe('a gateway that asks for a key', () => {
  let test: TestNode;
  beforeAll(async () => {
    const keys = `keys: [{ name: app, hash: "${hashVirtualKey(KEY)}" }]`;
    test = await startTestNode({ config: `providers:${SIM_PROVIDER}\n${MODELS}\n${keys}` });
  });
  afterAll(() => test.stop());

  const key = { authorization: `Bearer ${KEY}` };

  it('takes any Host and Origin, because a page of another site has no key', async () => {
    const headers = { ...key, 'content-type': 'application/json', host: 'llm.example', origin: 'https://app.example' };
    expect(await send(test.url, CHAT, headers, BODY)).toEqual({ status: 200 });
  });

  it('refuses a body that is not called JSON', async () => {
    const answer = await send(test.url, CHAT, { ...key, 'content-type': 'text/plain' }, BODY);
    expect(answer).toMatchObject({ status: 400, error: { code: 'invalid_request', param: 'content-type' } });
  });

  it('shows its metrics to any key, and to nobody without one', async () => {
    expect(await send(test.url, '/metrics', {})).toMatchObject({ status: 401, error: { code: 'unauthenticated' } });
    expect(await send(test.url, '/metrics', { 'x-api-key': 'hk_another' })).toMatchObject({ status: 401 });
    expect(await send(test.url, '/metrics', key)).toEqual({ status: 200 });
    expect(await send(test.url, '/health/live', {})).toEqual({ status: 200 });
  });
});
