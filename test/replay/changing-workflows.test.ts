/** The example of `docs/changing-workflows.md`: a step that is added to running calls, wrongly and rightly. */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Client } from '@temporalio/client';
import { Worker, type NativeConnection, type WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPlaceholders } from '../../src/cli/replay/placeholders.ts';
import { readHistory, type RecordedHistory } from '../../src/cli/replay/recorded-history.ts';
import { replayHistories } from '../../src/cli/replay/replay-histories.ts';
import { rewriteHistory } from '../../src/cli/replay/rewrite-history.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { installRuntime } from '../../src/temporal/runtime.ts';
import { registerSearchAttributes } from '../../src/temporal/search-attributes.ts';
import { workflowBundle } from '../../src/workers/bundle.ts';
import { bundleOf } from '../support/bundle-of.ts';
import { corpusHistories, readableText } from '../support/corpus.ts';
import { startTestServer, type TestServer } from '../support/temporal/dev-server.ts';
import { classesOf } from './classify-history.ts';
import { INPUT_REFUSED } from './outcome-classes.ts';
import { answered, playedCall } from './played-world.ts';

installRuntime(() => undefined);
const changed = (name: string) => bundleOf(new URL(`changes/${name}-workflow.ts`, import.meta.url));
/** What was refused for its input came to no step at all. */
const calls = corpusHistories().filter(
  (history) => history.workflowType === 'llmCall' && !classesOf(history).has(INPUT_REFUSED),
);

async function divergences(code: WorkflowBundle, histories: readonly RecordedHistory[]) {
  const verdicts = await Array.fromAsync(replayHistories(code, histories));
  return verdicts.map(({ recorded, divergence }) => ({ events: recorded.events.length, divergence }));
}

describe('a step added to every call', () => {
  it('without a patch: no recorded call replays, and each diverges where it ended before', async () => {
    const found = await divergences(await changed('unpatched'), calls);
    expect(found.length).toBeGreaterThan(20);
    for (const { events, divergence } of found) {
      expect(divergence).toMatchObject({ kind: 'non-determinism', eventId: events });
      expect(divergence?.reason).toMatch(/WorkflowExecutionCompleted/);
    }
  });

  it('behind patched(): every recorded call replays', async () => {
    const found = await divergences(await changed('patched'), calls);
    expect(found.filter(({ divergence }) => divergence !== null)).toEqual([]);
  });
});

describe('a call that took the new step', () => {
  let server: TestServer;
  let connection: NativeConnection;
  let recorded: RecordedHistory;

  beforeAll(async () => {
    server = await startTestServer();
    connection = await connectNative({ address: server.address });
    await registerSearchAttributes(connection, server.namespace);
    const notified: string[] = [];
    const worker = await Worker.create({
      connection,
      namespace: server.namespace,
      taskQueue: 'changed',
      workflowBundle: await changed('patched'),
      activities: {
        executeProvider: () => Promise.resolve(answered(1)),
        notifyOwner: (callId: string) => Promise.resolve(void notified.push(callId)),
      },
    });
    const client = new Client({ connection, namespace: server.namespace });
    const input = playedCall(60_000);
    const handle = await client.workflow.start('llmCall', {
      workflowId: input.callId,
      taskQueue: 'changed',
      args: [input],
    });
    await worker.runUntil(handle.result());
    expect(notified).toHaveLength(1);
    recorded = readHistory(historyToJSON(await handle.fetchHistory()), 'patched call');
  });
  afterAll(async () => {
    await connection.close();
    await server.stop();
  });

  it('replays on the patched code, and on the code that deprecates the patch', async () => {
    for (const name of ['patched', 'deprecated-patch']) {
      expect(await divergences(await changed(name), [recorded])).toMatchObject([{ divergence: null }]);
    }
  });

  it('replays as it is exported too: the patch is a decision', async () => {
    const exported = rewriteHistory(recorded, createPlaceholders());
    expect(readableText(JSON.stringify(exported))).toContain('notify-owner');
    const history = readHistory(JSON.stringify(exported), 'exported call');
    expect(await divergences(await changed('deprecated-patch'), [history])).toMatchObject([{ divergence: null }]);
    const [found] = await divergences(await workflowBundle(), [history]);
    expect(found?.divergence?.kind).toBe('non-determinism');
  });

  it('does not replay on the release before: calls in flight do not survive a way back', async () => {
    const [found] = await divergences(await workflowBundle(), [recorded]);
    const marker = recorded.events.findIndex(({ eventType }) => eventType === 'EVENT_TYPE_MARKER_RECORDED') + 1;
    expect(marker).toBeGreaterThan(0);
    expect(found?.divergence).toMatchObject({ kind: 'non-determinism', eventId: marker });
  });
});
