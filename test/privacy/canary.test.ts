/**
 * G5: secrets are nowhere in the open; prompts and answers are in no history, log, metric, error or unencrypted file.
 * Canaries go through a whole node in every way a call can end; then everything that was written is searched, as text
 * and as base64.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { hashVirtualKey } from '../../src/ledger/virtual-key.ts';
import { loadMasterKey } from '../../src/stores/crypto/master-key.ts';
import { createEncryptedSecretFile } from '../../src/stores/files/encrypted-secret-file.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../support/test-node.ts';
import { startInline } from '../workflows/scenarios.ts';

/** Whatever is not shaped like any vendor's key must stay secret too. */
const SECRETS = {
  anthropic: `sk-ant-api03-Canary${'A1b2'.repeat(8)}`,
  opaque: 'Zq7OpaqueProviderSecret.Canary_93x',
  stored: 'Vaulted.Secret_Canary-5c0ffee5',
  virtualKey: `hk_Canary${'v'.repeat(37)}`,
  narrowKey: `hk_Canary${'w'.repeat(37)}`,
  inPrompt: 'AKIACANARY0SECRET234',
} as const;
const ANSWER = 'Answer~Canary~of~the~provider~77';
const ANSWER_ARGUMENT = 'Argument~Canary~of~a~tool~call~78';
const INLINE_PROMPT = 'Inline~Canary~put~into~history~by~choice';
const WAITING_MODEL = 'echo-hang';

const promptOf = (name: string) => `Prompt~Canary~${name}~${'q'.repeat(10)}~end`;
/** Every prompt that was sent. */
const prompts = new Set<string>();

let test: TestNode;
let provider: Server;
let providerHits = 0;
/** What callers were told about failures. */
const told: string[] = [];

beforeAll(async () => {
  provider = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const echo = `http://127.0.0.1:${String((provider.address() as AddressInfo).port)}`;
  test = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
  claude: { kind: anthropic, baseUrl: SIM, apiKey: env:CLAUDE_KEY, allowPrivateAddress: true }
  echo: { kind: openai-compatible, baseUrl: "${echo}/v1", apiKey: env:OPAQUE_KEY, allowPrivateAddress: true }
  echo-claude: { kind: anthropic, baseUrl: "${echo}", apiKey: env:CLAUDE_KEY, allowPrivateAddress: true }
  echo-gemini: { kind: gemini, baseUrl: "${echo}", apiKey: env:OPAQUE_KEY, allowPrivateAddress: true }
  echo-stored: { kind: openai-compatible, baseUrl: "${echo}/v1", apiKey: "secret:vaulted", allowPrivateAddress: true }
models:
  failover:
    targets: [{ provider: echo, model: echo-500 }, { provider: echo-claude, model: echo-401 }, { provider: claude, model: sim-small }]
    retries: { maxAttempts: 2, initialBackoffMs: 10 }
  exhausted:
    targets: [{ provider: echo, model: echo-500-html }, { provider: echo-stored, model: echo-401 }]
    retries: { maxAttempts: 1 }
keys:
  - { name: app, hash: "${hashVirtualKey(SECRETS.virtualKey)}", roles: [caller, admin] }
  - { name: narrow, hash: "${hashVirtualKey(SECRETS.narrowKey)}", models: [failover] }
`,
    env: { CLAUDE_KEY: SECRETS.anthropic, OPAQUE_KEY: SECRETS.opaque },
  });
  const masterKey = loadMasterKey({ home: test.home, env: {} });
  await createEncryptedSecretFile({ path: join(test.home, 'secrets.json'), masterKey }).set('vaulted', SECRETS.stored);
});
afterAll(async () => {
  await test.stop();
  provider.closeAllConnections();
  provider.close();
});

/** A provider that tells all it knows: key, prompt and headers stand in its errors. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  providerHits += 1;
  const what = /echo-[a-z0-9-]+/.exec(`${request.url ?? ''} ${text}`)?.[0] ?? '';
  const key = request.headers.authorization ?? request.headers['x-api-key'] ?? request.headers['x-goog-api-key'];
  const echoed = `Bad request of ${String(key)}: ${text}`;
  const send = (status: number, type: string, body: string) =>
    response.writeHead(status, { 'content-type': type, 'x-echo': encodeURIComponent(echoed) }).end(body);
  const chunkOf = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  switch (what) {
    case 'echo-ok':
    case 'echo-tools': {
      const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: `{"a":"${ANSWER_ARGUMENT}"}` } };
      const message = { role: 'assistant', content: ANSWER, ...(what === 'echo-tools' && { tool_calls: [call] }) };
      return void send(
        200,
        'application/json',
        JSON.stringify({
          id: 'x',
          object: 'chat.completion',
          created: 1,
          model: 'm',
          choices: [{ index: 0, message, finish_reason: 'stop' }],
          usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
        }),
      );
    }
    case 'echo-stream':
      return void send(
        200,
        'text/event-stream',
        `${chunkOf({ role: 'assistant', content: ANSWER })}${chunkOf({}, 'stop')}data: [DONE]\n\n`,
      );
    case 'echo-stream-error':
      return void send(
        200,
        'text/event-stream',
        `${chunkOf({ content: ANSWER })}data: ${JSON.stringify({ error: { message: echoed, type: 'server_error' } })}\n\n`,
      );
    case 'echo-broken':
      return void send(200, 'application/json', `${ANSWER} ${echoed}`);
    case 'echo-500-html':
      return void send(500, 'text/html', `<h1>Oops</h1><pre>${echoed}</pre>`);
    case 'echo-hang':
      return;
    default: {
      const status = Number(/\d{3}/.exec(what)?.[0] ?? 400);
      const error = { message: echoed, type: 'invalid_request_error', code: null, status: 'INVALID_ARGUMENT' };
      return void send(status, 'application/json', JSON.stringify({ type: 'error', error }));
    }
  }
}

interface Sent {
  status: number;
  text: string;
  callId: string;
}

async function send(name: string, model: string, extra: object = {}, key: string = SECRETS.virtualKey): Promise<Sent> {
  const prompt = promptOf(name);
  prompts.add(prompt);
  const response = await test.post(
    '/v1/chat/completions',
    { model, max_tokens: 40, messages: [{ role: 'user', content: `please, ${prompt}` }], ...extra },
    { authorization: `Bearer ${key}` },
  );
  const text = await response.text();
  told.push(JSON.stringify([...response.headers]));
  if (response.status >= 400) told.push(text);
  return { status: response.status, text, callId: response.headers.get('x-holdfast-call-id') ?? '' };
}

const admin = { authorization: `Bearer ${SECRETS.virtualKey}` };

/** The forms that a needle takes: as it is, and as the part that any base64 of a text around it must hold. */
function formsOf(needle: string): string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${'x'.repeat(offset)}${needle}`)
      .toString('base64')
      .replace(/=+$/, '');
    // The first and the last characters also depend on the neighbours.
    return text.slice(offset === 0 ? 0 : offset + 1, -1);
  });
  return [needle, ...base64, encodeURIComponent(needle)];
}

function findings(places: Record<string, string>, needles: Iterable<string>): string[] {
  const forms = [...needles].flatMap((needle) => formsOf(needle).map((form) => ({ needle, form })));
  const found = Object.entries(places).flatMap(([place, text]) =>
    forms.filter(({ form }) => text.includes(form)).map(({ needle }) => `${needle} in ${place}`),
  );
  return [...new Set(found)];
}

/** Raw bytes as text, one character a byte, so that nothing is lost in decoding. */
function filesBelow(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    names.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]),
  );
}

async function histories(): Promise<Record<string, string>> {
  const ids = new Set<string>();
  for await (const { workflowId } of test.client.workflow.list()) ids.add(workflowId);
  const { calls } = await test.get<{ calls: CallView[] }>('/api/v1/calls?limit=1000', admin);
  for (const { id, attempts } of calls) if (attempts.length > 0) ids.add(id);
  const found: Record<string, string> = {};
  for (const id of ids) {
    const json = historyToJSON(await test.client.workflow.getHandle(id).fetchHistory());
    const payloads = [...json.matchAll(/"(?:data|value)": "([A-Za-z0-9+/=]+)"/g)].map(([, data = '']) =>
      Buffer.from(data, 'base64').toString(),
    );
    found[`history ${id}`] = `${json}\n${payloads.join('\n')}`;
  }
  return found;
}

describe('no canary stands in the open', () => {
  let callIds: string[] = [];
  let inlineId = '';

  beforeAll(async () => {
    const sent: Record<string, [Sent, number]> = {
      success: [await send('success', 'echo/echo-ok'), 200],
      tools: [await send('tools', 'echo/echo-tools', { tools: [{ type: 'function', function: { name: 'f' } }] }), 200],
      simulated: [await send('simulated', 'claude/sim-small'), 200],
      stream: [await send('stream', 'echo/echo-stream', { stream: true }), 200],
      cut: [await send('cut', 'echo/echo-stream-error', { stream: true }), 200],
      rejected: [await send('rejected', 'echo/echo-400'), 400],
      unauthorized: [await send('unauthorized', 'echo/echo-401'), 502],
      anthropic: [await send('anthropic', 'echo-claude/echo-400'), 400],
      gemini: [await send('gemini', 'echo-gemini/echo-400'), 400],
      stored: [await send('stored', 'echo-stored/echo-400'), 400],
      broken: [await send('broken', 'echo/echo-broken'), 502],
      failover: [await send('failover', 'failover'), 200],
      exhausted: [await send('exhausted', 'exhausted'), 502],
      denied: [await send('denied', 'echo/echo-ok', {}, SECRETS.narrowKey), 403],
      blocked: [
        await send('blocked', 'echo/echo-ok', {
          messages: [{ role: 'user', content: `${promptOf('blocked')} and ${SECRETS.inPrompt}` }],
        }),
        400,
      ],
      malformed: [await send('malformed', 'echo/echo-ok', { temperature: promptOf('malformed') }), 400],
      unknownModel: [await send('unknown', 'nope/nope'), 404],
      wrongKey: [await send('wrong-key', 'echo/echo-ok', {}, `${SECRETS.virtualKey.slice(0, -3)}xyz`), 401],
    };
    for (const [name, [{ status, text }, expected]] of Object.entries(sent)) {
      if (status !== expected) throw new Error(`${name}: ${String(status)} instead of ${String(expected)}: ${text}`);
    }
    expect(sent['success']?.[0].text).toContain(ANSWER);
    expect(sent['stream']?.[0].text).toContain(ANSWER);
    expect(sent['tools']?.[0].text).toContain(ANSWER_ARGUMENT);

    const before = providerHits;
    prompts.add(promptOf('cancelled'));
    const started = await test.post(
      '/api/v1/calls',
      {
        kind: 'chat',
        request: {
          model: `echo/${WAITING_MODEL}`,
          max_tokens: 9,
          messages: [{ role: 'user', content: promptOf('cancelled') }],
        },
      },
      admin,
    );
    const { call } = (await started.json()) as { call: CallView };
    await until('the provider has it', () => providerHits === before + 1);
    await test.post(`/api/v1/calls/${call.id}/cancel`, {}, admin);
    const view = () => test.get<CallView>(`/api/v1/calls/${call.id}`, admin);
    await until('it is cancelled', async () => (await view()).outcome === 'cancelled');

    const inline = await startInline(test, 'sim/sim-small', { content: INLINE_PROMPT });
    await inline.result();
    inlineId = inline.workflowId;
    callIds = [
      ...Object.values(sent)
        .map(([{ callId }]) => callId)
        .filter(Boolean),
      call.id,
    ];
    for (const id of callIds) {
      await until(`${id} has closed`, async () => {
        const { status } = await test.client.workflow.getHandle(id).describe();
        return status.name !== 'RUNNING';
      });
    }
  });

  const content = () => [...prompts, ANSWER, ANSWER_ARGUMENT, '[simulated]'];
  const secrets = Object.values(SECRETS);

  it('in the histories of all workflows', async () => {
    const all = await histories();
    for (const id of callIds) expect(Object.keys(all)).toContain(`history ${id}`);
    expect(findings(all, [...secrets, ...content()])).toEqual([]);
  });

  it('in the files of the node, as raw bytes', () => {
    const files = filesBelow(test.home);
    const all = Object.values(files).join('\n');
    for (const id of callIds) expect(all).toContain(id);
    expect(Object.keys(files).map((path) => path.split('/').at(-1))).toEqual(
      expect.arrayContaining(['ledger.db', 'secrets.json']),
    );
    expect(findings(files, [...secrets, ...content(), INLINE_PROMPT])).toEqual([]);
  });

  it('in the files of the Temporal server, as raw bytes', () => {
    const files = filesBelow(test.server.home);
    const all = Object.values(files).join('\n');
    for (const id of callIds) expect(all).toContain(id);
    expect(findings(files, [...secrets, ...content()])).toEqual([]);
  });

  it('in the logs of node and SDK, at debug level', async () => {
    const ours = () => test.logs.filter((line) => line.startsWith('{"level"')).join('\n');
    // The ends of calls are logged by a relay, some time after.
    await until('every call is in the log', () => [...callIds, inlineId].every((id) => ours().includes(id)));
    expect(findings({ logs: test.logs.join('\n') }, [...secrets, ...content()])).toEqual([]);
    // The SDK traces what workflows are given; our own lines do not even hold what history may.
    expect(findings({ ours: ours() }, [INLINE_PROMPT])).toEqual([]);
  });

  it('in what callers are told about failures, and in any header', () => {
    expect(told.length).toBeGreaterThan(25);
    expect(findings(Object.fromEntries(told.entries()), [...secrets, ...content()])).toEqual([]);
  });

  it('in metrics and in the readings of the API', async () => {
    const read = async (path: string) => (await fetch(test.url + path, { headers: admin })).text();
    const places: Record<string, string> = {};
    for (const path of ['/metrics', '/api/v1/calls?limit=1000', '/api/v1/providers', '/api/v1/keys', '/api/v1/audit']) {
      places[path] = await read(path);
    }
    for (const id of callIds) places[id] = await read(`/api/v1/calls/${id}`);
    expect(places['/metrics']).toContain('holdfast_calls_total');
    expect(places['/api/v1/calls?limit=1000']).toContain(callIds[0]);
    expect(findings(places, [...secrets, ...content(), INLINE_PROMPT])).toEqual([]);
  });

  it('while the search does find what a trusted caller put into history by choice', async () => {
    const id = `history ${inlineId}`;
    expect(findings({ [id]: (await histories())[id] ?? '' }, [INLINE_PROMPT])).not.toEqual([]);
    expect(findings(filesBelow(test.server.home), [INLINE_PROMPT])).not.toEqual([]);
    // And in base64, at any offset.
    for (const before of ['', 'a', 'ab'])
      expect(findings({ text: Buffer.from(`${before}${ANSWER}..`).toString('base64') }, [ANSWER])).toEqual([
        `${ANSWER} in text`,
      ]);
  });
});
