/**
 * Records the replay corpus: every scenario on a whole node, each history as JSON under `histories/<version>/`.
 * Run once for a release: `npm run replay:record`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { packageVersion } from '../../src/gateway/node.ts';
import { scenarios, startScenarioNode } from '../workflows/scenarios.ts';

const directory = new URL(`histories/${packageVersion()}/`, import.meta.url);
await mkdir(directory, { recursive: true });
const node = await startScenarioNode();
try {
  for (const { name, run } of scenarios) {
    const handle = node.client.workflow.getHandle(await run(node));
    await handle.result();
    const json = historyToJSON(await handle.fetchHistory());
    // Who ran it does not matter for a replay, and names the machine.
    await writeFile(
      new URL(`${name}.json`, directory),
      json.replaceAll(/"identity": "[^"]*"/g, '"identity": "recorder"'),
    );
    console.log(`recorded ${name}`);
  }
} finally {
  await node.stop();
}
