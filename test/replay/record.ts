/**
 * Records the replay corpus: every scenario, each history as JSON under `histories/<version>/`. Takes about three
 * minutes, because some workers have to stay lost for that long.
 * Run once for a release: `npm run replay:record`.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { packageVersion } from '../../src/gateway/node.ts';
import type { TestNode } from '../support/test-node.ts';
import { scenarios, startScenarioNode } from '../workflows/scenarios.ts';
import { playedScenarios } from './played-scenarios.ts';

const directory = new URL(`histories/${packageVersion()}/`, import.meta.url);

/** `pid@host`, and ours: `host:pid:start`; sticky queues have them at their beginning. */
const WORKER_NAMES = /"(?:\d+@|[\w.-]+:\d+:\d{13})[^"]*"/g;

function withoutTraces(key: string, value: unknown): unknown {
  return key === 'stackTrace' ? '' : value;
}

const recorded = new Map<string, string>();

async function record(test: TestNode, name: string, workflowId: string, runId?: string): Promise<void> {
  const history = await test.client.workflow.getHandle(workflowId, runId).fetchHistory();
  // Who ran it, and where its code lay, does not matter for a replay, and names the machine.
  const text = JSON.stringify(JSON.parse(historyToJSON(history), withoutTraces)).replaceAll(WORKER_NAMES, '"recorder"');
  recorded.set(`${name}.json`, `${text}\n`);
  console.log(`recorded ${name}`);
}

const test = await startScenarioNode();
try {
  const slow = Promise.all(
    playedScenarios.map(async ({ name, run }) => {
      const { workflowId, runId } = await run(test);
      await record(test, name, workflowId, runId);
    }),
  );
  for (const { name, run } of scenarios) {
    const workflowId = await run(test);
    await test.client.workflow.getHandle(workflowId).result();
    await record(test, name, workflowId);
  }
  await slow;
} finally {
  await test.stop();
}
// Only now, all at once: a recording that fails leaves the corpus as it was, and no scenario of the past stays in it.
await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
for (const [file, text] of recorded) await writeFile(new URL(file, directory), text);
