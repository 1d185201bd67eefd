/** `holdfast replay` beside a whole node, and on folders of files. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleOf } from '../../../test/support/bundle-of.ts';
import { corpusHistories, readableText } from '../../../test/support/corpus.ts';
import { runCliHere } from '../../../test/support/run-cli-here.ts';
import { SIM_PROVIDER, startTestNode, until, type TestNode } from '../../../test/support/test-node.ts';
import { TASK_QUEUE } from '../../core/names.ts';
import type { CallInput } from '../../core/call/types.ts';
import { newCallId } from '../../ledger/call-id.ts';
import { createTemporalClient } from '../../client/index.ts';
import type { CheckedFile } from '../replay/check-folder.ts';
import type { ExportReport } from '../replay/export-histories.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
let folders = 0;
const newFolder = () => join(root, `f${String(++folders)}`);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('replay check', () => {
  const succeeded = corpusHistories().find(({ name }) => name === 'succeeded')!.text;
  function folderWith(files: Record<string, string>): string {
    const folder = newFolder();
    mkdirSync(folder);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return folder;
  }
  const check = (folder: string, ...flags: string[]) => runCliHere(['replay', 'check', folder, ...flags], { env: {} });

  test('names each history, its workflow, its events and the result', async () => {
    const { code, out } = await check(folderWith({ 'a.json': succeeded }));
    expect(code).toBe(0);
    expect(out).toMatch(/^a\.json +llmCall +12 +replays$/m);
    expect(out).toContain('1 of 1 replay');
  });

  test('names the workflow and the event at which it diverges, exit 1; what is no history is one error each', async () => {
    const folder = folderWith({
      'good.json': succeeded,
      // The engine's message names no event for this one.
      'other-step.json': succeeded.replaceAll('executeProvider', 'callProvider'),
      'gone.json': succeeded.replaceAll('llmCall', 'noSuchWorkflow'),
      'cut.json': succeeded.slice(0, 500),
      'foreign.json': '{ "calls": [] }',
      'null.json': 'null',
      'headless.json': JSON.stringify({ events: (JSON.parse(succeeded) as { events: object[] }).events.slice(1) }),
      'odd-event.json': succeeded.replace('EVENT_TYPE_WORKFLOW_TASK_SCHEDULED', 'EVENT_TYPE_NONE_SUCH'),
    });
    const { code, out } = await check(folder, '--json');
    expect(code).toBe(1);
    const { ok, files } = JSON.parse(out) as { ok: boolean; files: CheckedFile[] };
    expect(ok).toBe(false);
    const by = Object.fromEntries(files.map((file) => [file.file, file]));
    expect(by['good.json']).toMatchObject({ result: 'replays', reason: null, eventId: null });
    expect(by['other-step.json']).toMatchObject({
      result: 'non-determinism',
      workflowType: 'llmCall',
      workflowId: expect.stringMatching(/^call_/),
      eventId: 5,
      reason: expect.stringContaining('callProvider'),
    });
    expect(by['gone.json']).toMatchObject({ result: 'failed', reason: expect.stringContaining('noSuchWorkflow') });
    for (const [file, reason] of [
      ['cut.json', 'it is not JSON'],
      ['foreign.json', 'it has no list "events"'],
      ['null.json', 'it has no list "events"'],
      ['headless.json', 'event 1 is missing'],
      ['odd-event.json', 'event'],
    ] as const) {
      expect(by[file]).toMatchObject({ result: 'unreadable', reason: expect.stringContaining(reason), events: null });
    }
    const lines = (await check(folder)).out;
    expect(lines).toMatch(/^other-step\.json: llmCall call_\S+ at event 5: /m);
    expect(lines).toMatch(/^cut\.json is not a workflow history: it is not JSON\. Export one with/m);
    expect(lines).toContain('1 of 8 replay');
  });

  test('an empty folder, and none at all, is an error: nothing was checked', async () => {
    expect(await check(folderWith({}))).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^not_found: /) });
    expect((await check(newFolder())).err).toMatch(/^not_found: There is no folder /);
  });
});

describe('replay export', () => {
  const CANARY = 'canary-8c1f';
  let node: TestNode;
  beforeAll(async () => {
    node = await startTestNode({
      config: `
providers:${SIM_PROVIDER}
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  ${CANARY}-alias: { targets: [{ provider: sim, model: sim-small+status=400 }] }
tenants:
  ${CANARY}-tenant: { limits: {} }
`,
    });
  });
  afterAll(() => node.stop());

  async function run(...args: string[]) {
    const env = { TEMPORAL_ADDRESS: node.server.address, HOLDFAST_HOME: join(root, 'none') };
    return runCliHere(['replay', 'export', ...args], { env });
  }
  async function exported(query: string, folder: string, ...flags: string[]) {
    const { code, out, err } = await run('--query', query, '--out', folder, '--json', ...flags);
    return { code, err, report: JSON.parse(out) as ExportReport };
  }
  const count = (query: string) => node.client.workflow.count(query).then(({ count: found }) => found);
  const indexed = (query: string, expected: number) =>
    until(`${String(expected)} are indexed`, async () => (await count(query)) >= expected);

  test('writes what replays, with no prompt, tag, error text, tenant, alias or host in it', async () => {
    const client = createTemporalClient({ client: node.client, tenant: `${CANARY}-tenant` });
    const content = `${CANARY} my key is sk-${CANARY}`;
    for (const model of ['small', `${CANARY}-alias`, `${CANARY}-unknown`]) {
      const call = await client.start(
        { model, max_tokens: 50, user: CANARY, [`${CANARY}-field`]: 1, messages: [{ role: 'user', content }] },
        { tags: { [`${CANARY}-tag`]: `${CANARY}-value` } },
      );
      await call.result().catch((error: unknown) => expect(String(error)).toMatch(/HoldfastError/));
    }
    const named = { ...inlineCall(CANARY), callId: `call_${CANARY}` };
    await node.client.workflow.start('llmCall', {
      workflowId: named.callId,
      taskQueue: TASK_QUEUE,
      memo: { [`${CANARY}-memo`]: CANARY },
      staticSummary: CANARY,
      staticDetails: CANARY,
      args: [named],
    });
    await node.client.workflow.getHandle(named.callId).result();
    // A step that fails: its failure stands in a marker.
    const blocked = inlineCall(`sk-ant-${CANARY.repeat(5)}`);
    const handle = await node.client.workflow.start('llmCall', {
      workflowId: blocked.callId,
      taskQueue: TASK_QUEUE,
      args: [blocked],
    });
    await until('it has ended', async () => (await handle.describe()).status.name !== 'RUNNING');
    const query = "WorkflowType = 'llmCall'";
    await indexed(`${query} AND ExecutionStatus != 'Running'`, 5);
    const folder = newFolder();
    const { code, err, report } = await exported(query, folder);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(report.unwritten).toEqual([]);
    expect(report.written).toHaveLength(5);
    const originals: string[] = [];
    for await (const { workflowId, runId } of node.client.workflow.list({ query })) {
      const file = join(folder, `llmCall-${runId}.json`);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const text = readableText(readFileSync(file, 'utf8'));
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain(workflowId);
      expect(text).not.toMatch(/\d@/);
      const original = await node.client.workflow.getHandle(workflowId, runId).fetchHistory();
      originals.push(readableText(historyToJSON(original)));
    }
    // Else the lines above would prove nothing.
    expect(originals).toHaveLength(5);
    for (const text of originals) expect(text).toContain(CANARY);
    const all = originals.join('\n');
    for (const part of [' my key is', '-tag', '-field', '-unknown', '-alias', '-tenant', '-memo'])
      expect(all).toContain(CANARY + part);
    expect(all).toMatch(new RegExp(`"message":"[^}]*${CANARY}-unknown`));
    expect(readdirSync(folder)).toHaveLength(5);
    const checked = await runCliHere(['replay', 'check', folder, '--json'], { env: {} });
    expect(checked.code).toBe(0);
  });

  test('a second export overwrites nothing: each file that is there is named, exit 1', async () => {
    const folder = newFolder();
    const query = "HoldfastOutcome = 'succeeded'";
    await indexed(query, 1);
    await exported(query, folder, '--limit', '1');
    const [file = ''] = readdirSync(folder);
    writeFileSync(join(folder, file), 'mine');
    const again = await run('--query', query, '--out', folder, '--limit', '1');
    expect(again.code).toBe(1);
    expect(again.err).toMatch(new RegExp(`not written: llmCall \\S+ \\(run \\S+\\): ${file} is there already`));
    expect(readFileSync(join(folder, file), 'utf8')).toBe('mine');
  });

  test('what does not replay is not written, and is named with its reason', async () => {
    const worker = await Worker.create({
      connection: node.connection,
      taskQueue: 'others',
      workflowBundle: await bundleOf(new URL('../../../test/support/temporal/sleep-workflow.ts', import.meta.url)),
    });
    const start = (workflowId: string, taskQueue: string) =>
      node.client.workflow.start('sleepThirtyDays', { workflowId, taskQueue });
    const theirs = await start('theirs-begun', 'others');
    await start('theirs-waiting', 'nobody');
    await worker.runUntil(until('it sleeps', async () => (await theirs.describe()).historyLength >= 5));
    const query = "WorkflowType = 'sleepThirtyDays'";
    await indexed(query, 2);
    const folder = newFolder();
    const { code, err, report } = await exported(query, folder);
    expect(code).toBe(1);
    expect(report.written).toEqual([]);
    expect(report.unwritten.map(({ workflowId }) => workflowId).sort()).toEqual(['theirs-begun', 'theirs-waiting']);
    expect(err).toMatch(
      /^not written: sleepThirtyDays theirs-begun \(run \S+\): it does not replay on this build: .*sleepThirtyDays/m,
    );
    expect(err).toMatch(/^not written: sleepThirtyDays theirs-waiting .*nothing was decided in it yet/m);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('takes the maintenance sweep while it runs, and tells when more match than asked for', async () => {
    await indexed("WorkflowType = 'reconcileAttempts'", 1);
    const sweep = await exported("WorkflowType = 'reconcileAttempts'", newFolder());
    expect(sweep).toMatchObject({ code: 0, report: { written: [{ workflowType: 'reconcileAttempts' }] } });
    const cut = await exported("WorkflowType = 'llmCall'", newFolder(), '--limit', '2');
    expect(cut).toMatchObject({ code: 0, report: { isCut: true, written: [{}, {}] } });
    expect(cut.err).toMatch(/more than 2 match: raise --limit/);
  });

  test('a query that Temporal refuses, or that finds nothing, and a home without a server are errors', async () => {
    const folder = newFolder();
    expect((await run('--query', 'WorkflowType == ', '--out', folder)).err).toMatch(/^invalid_request: The query /);
    expect((await run('--query', "WorkflowId = 'none'", '--out', folder)).err).toMatch(/^not_found: No workflow /);
    expect((await run('--query', 'x', '--out', folder, '--limit', '1001')).code).toBe(1);
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    expect((await run('--query', "WorkflowType = 'llmCall'", '--out', file)).err).toMatch(/^invalid_request: .*a-file/);
    const home = await runCliHere(['replay', 'export', '--query', 'x', '--out', folder], {
      env: { HOLDFAST_HOME: join(root, 'none') },
    });
    expect(home).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^engine_unavailable: No Temporal server runs /),
    });
  });
});

function inlineCall(text: string): CallInput {
  return {
    callId: newCallId(),
    kind: 'chat',
    model: 'small',
    principal: { tenant: 'default', key: text, models: null },
    requestRef: null,
    inline: {
      wire: 'openai-chat',
      stream: false,
      body: { model: 'small', max_tokens: 9, messages: [{ role: 'user', content: text }] },
    },
    tags: { note: text },
  };
}
