/** A conversation that goes on: what each turn costs in history and in storage does not grow with what was said before. */
import { DatabaseSync } from 'node:sqlite';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode({ config: `providers:${SIM_PROVIDER}` });
});
afterAll(() => node.stop());

const text = (turn: number) => createHash('shake256', { outputLength: 700 }).update(String(turn)).digest('hex');

async function ask(turns: number): Promise<{ id: string; historyBytes: number; sent: number }> {
  const messages = Array.from({ length: turns }, (_, turn) => ({
    role: turn % 2 === 0 ? 'user' : 'assistant',
    content: text(turn),
  }));
  const body = JSON.stringify({ model: 'sim/sim-small', max_tokens: 20, messages });
  const response = await node.post('/v1/chat/completions', body);
  expect(response.status).toBe(200);
  const id = response.headers.get('x-holdfast-call-id') ?? '';
  const handle = node.client.workflow.getHandle(id);
  await handle.result();
  return { id, historyBytes: historyToJSON(await handle.fetchHistory()).length, sent: body.length };
}

test('the last turn of a long conversation has a history like the first, and storage grows by what is new', async () => {
  const stored = () => {
    const database = new DatabaseSync(join(node.home, 'ledger.db'), { readOnly: true });
    const row = database.prepare('select sum(length(sealed)) as bytes from payloads').get();
    database.close();
    return Number(row?.['bytes']);
  };
  const first = await ask(1);
  let sent = 0;
  for (let turns = 21; turns < 121; turns += 2) sent += (await ask(turns)).sent;
  const last = await ask(121);
  expect(Math.abs(last.historyBytes - first.historyBytes)).toBeLessThan(first.historyBytes * 0.05);
  expect(sent).toBeGreaterThan(4_900_000);
  expect(stored()).toBeLessThan(sent / 5);
  // The provider is told all of it all the same.
  expect(node.simulator.seen.at(-1)?.body['messages']).toHaveLength(121);
});
