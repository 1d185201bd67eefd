/** Histories that nobody can read in the server: payloads and the texts of failures, through every path that writes them. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTemporalClient } from '../../src/client/index.ts';
import { historyKeyBytes } from '../../src/stores/crypto/history-key.ts';
import { loadMasterKey } from '../../src/stores/crypto/master-key.ts';
import { createHistoryDataConverter, workflowBundle } from '../../src/workers/index.ts';
import { runCliHere } from '../support/run-cli-here.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const PROMPT = 'Prompt~Canary~of~an~inline~request';
const PROVIDER_TEXT = 'Zebra says no';
const SECRET = 'AKIACANARY0SECRET234';
const TAG = 'Tag~Canary';

let node: TestNode;
let provider: Server;
let converter: DataConverter;

beforeAll(async () => {
  provider = createServer((_request, response) => {
    response
      .writeHead(400, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: { message: PROVIDER_TEXT, type: 'invalid_request_error', code: null } }));
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const { port } = provider.address() as AddressInfo;
  node = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
  refusing: { kind: openai-compatible, baseUrl: "http://127.0.0.1:${String(port)}/v1", apiKey: env:KEY, allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
security: { encryptHistories: true }
`,
    env: { KEY: 'sk-none' },
  });
  converter = createHistoryDataConverter({ keys: [historyKey()] });
});
afterAll(async () => {
  await node.stop();
  provider.close();
});

function historyKey(): Uint8Array {
  return historyKeyBytes(loadMasterKey({ home: node.home, env: {} }));
}

const clientWith = (dataConverter?: DataConverter, namespace = 'default') =>
  new Client({ connection: node.connection, namespace, ...(dataConverter && { dataConverter }) });

async function startInline(client: Client, model: string) {
  return createTemporalClient({ client }).start(
    { model, max_tokens: 20, messages: [{ role: 'user', content: PROMPT }] },
    { tags: { user: TAG } },
  );
}

/** All of a history as text: as JSON, and each field of bytes decoded. */
async function historyText(id: string): Promise<string> {
  return opened(historyToJSON(await node.client.workflow.getHandle(id).fetchHistory()));
}

function opened(json: string): string {
  const decoded = [...json.matchAll(/": "([A-Za-z0-9+/=]{8,})"/g)].map(([, data = '']) =>
    Buffer.from(data, 'base64').toString('latin1'),
  );
  return [json, ...decoded].join('\n');
}

describe('encrypted histories', () => {
  test('neither request, answer figures, tags nor the text of a failure stand in the history, and all of it decodes', async () => {
    const client = clientWith(converter);
    const good = await startInline(client, 'small');
    expect(await good.result()).toMatchObject({ outcome: 'succeeded', provider: 'sim' });
    const bad = await startInline(client, 'refusing/some');
    await expect(bad.result()).rejects.toMatchObject({
      code: 'provider_rejected',
      message: expect.stringContaining(PROVIDER_TEXT),
    });
    for (const { id } of [good, bad]) {
      const text = await historyText(id);
      expect(text).toContain('binary/encrypted');
      for (const canary of [PROMPT, PROVIDER_TEXT, TAG, 'costNanoUsd', 'sim-small']) {
        expect(text, canary).not.toContain(canary);
      }
    }
  });

  test('the message and the stack of a failed step are sealed', async () => {
    const blocked = await createTemporalClient({ client: clientWith(converter) }).start({
      model: 'small',
      messages: [{ role: 'user', content: `here: ${SECRET}` }],
    });
    await expect(blocked.result()).rejects.toMatchObject({ code: 'content_blocked' });
    const text = await historyText(blocked.id);
    expect(text).toContain('Encoded failure');
    expect(text).not.toMatch(/"stackTrace": "[^"]|\n *at |holds what looks like|AKIACANARY/);
  });

  test('a sealed history replays on the workflow code', async () => {
    const call = await startInline(clientWith(converter), 'small');
    await call.result();
    const history = await node.client.workflow.getHandle(call.id).fetchHistory();
    const options = { workflowBundle: await workflowBundle({ encodesFailures: true }), dataConverter: converter };
    await Worker.runReplayHistory(options, history, call.id);
  });

  test('a caller that seals nothing is served, and needs the key to read its result', async () => {
    const open = await startInline(clientWith(), 'small');
    expect(
      await createTemporalClient({ client: clientWith(converter) })
        .getCall(open.id)
        .result(),
    ).toMatchObject({
      outcome: 'succeeded',
    });
    expect(await historyText(open.id)).toContain(PROMPT);
  });

  test('a payload of another key or another namespace is refused in words', async () => {
    const call = await startInline(clientWith(converter), 'small');
    await call.result();
    const read = (dataConverter: DataConverter) => clientWith(dataConverter).workflow.getHandle(call.id).result();
    await expect(read(createHistoryDataConverter({ keys: [new Uint8Array(32).fill(9)] }))).rejects.toThrow(
      /sealed with the key "hist_[\w-]{16}", which this ledger does not have/,
    );
    await expect(read(createHistoryDataConverter({ keys: [historyKey()], namespace: 'other' }))).rejects.toThrow(
      /does not open in the namespace other/,
    );
    expect(() => createHistoryDataConverter({ keys: [new Uint8Array(16)] })).toThrow(/32 bytes/);
  });

  test('histories are exported in the open form, without content, and check', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-export-'));
    try {
      const env = { HOLDFAST_HOME: node.home, TEMPORAL_ADDRESS: node.server.address };
      const exported = await runCliHere(
        ['replay', 'export', '--query', "WorkflowType = 'llmCall'", '--out', folder, '--json'],
        { env },
      );
      const { written } = JSON.parse(exported.out) as { written: object[] };
      expect(written.length).toBeGreaterThan(3);
      const files = readdirSync(folder).map((name) => opened(readFileSync(join(folder, name), 'utf8')));
      expect(files).toHaveLength(written.length);
      // The open form: what the figures say can be read.
      expect(files.filter((text) => text.includes('costNanoUsd')).length).toBeGreaterThan(0);
      for (const text of files) {
        expect(text).not.toContain('binary/encrypted');
        for (const canary of [PROMPT, PROVIDER_TEXT, TAG, SECRET]) expect(text, canary).not.toContain(canary);
      }
      expect(await runCliHere(['replay', 'check', folder], { env })).toMatchObject({ code: 0 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('the key for trusted programs is printed, opens histories, and its showing is audited', async () => {
    const env = { HOLDFAST_HOME: node.home };
    const { out } = await runCliHere(['secrets', 'history-key'], { env });
    expect(Buffer.from(out.trim(), 'base64').equals(historyKey())).toBe(true);
    expect((await runCliHere(['audit', 'list'], { env })).out).toMatch(/local +history-key\.show +hist_/);
  });
});
