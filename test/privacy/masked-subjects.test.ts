/** Subjects whose ids are personal data that is masked: each is still one of its own, and is found again to be erased. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTemporalClient } from '../../src/client/index.ts';
import type { Erasure } from '../../src/core/ports/ledger/upkeep.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { SIM_PROVIDER, startTestNode, type TestNode } from '../support/test-node.ts';

const ANN = 'ann.canary@example.com';
const BOB = 'bob.canary@example.com';

let node: TestNode;

beforeAll(async () => {
  node = await startTestNode({
    config: `
providers:${SIM_PROVIDER}
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
security: { redact: [email] }
`,
  });
});
afterAll(() => node.stop());

const question = { model: 'small', max_tokens: 20, messages: [{ role: 'user', content: 'hello' }] };

async function asked(path: string, body: object, headers: Record<string, string> = {}): Promise<string> {
  const response = await node.post(path, { ...question, ...body }, headers);
  expect(response.status, await response.text()).toBe(200);
  return response.headers.get('x-holdfast-call-id') ?? '';
}

/** A call of the subject in each way that names one. */
async function callsOf(subject: string): Promise<string[]> {
  const tagged = await createTemporalClient({ client: node.client }).start(question, { tags: { user: subject } });
  await tagged.result();
  return [
    await asked('/v1/chat/completions', {}, { 'x-holdfast-tags': JSON.stringify({ user: subject }) }),
    await asked('/v1/chat/completions', { user: subject }),
    await asked('/v1/messages', { metadata: { user_id: subject } }),
    tagged.id,
  ];
}

test('an erasure of an e-mail user reaches every call of it, none of another, and the ledger has the id nowhere', async () => {
  const [ofAnn, ofBob] = [await callsOf(ANN), await callsOf(BOB)];
  const response = await node.post('/api/v1/erase', { subject: ANN });
  expect((await response.json()) as Erasure).toMatchObject({ keys: 1, calls: ofAnn.length });
  for (const id of ofAnn) {
    expect((await node.get<CallView>(`/api/v1/calls/${id}`)).erasedAt).toMatch(/^\d{4}-/);
  }
  for (const id of ofBob) {
    const call = await node.get<CallView>(`/api/v1/calls/${id}`);
    expect(call.erasedAt).toBeUndefined();
    expect(call.requestRef).not.toBeNull();
  }
  const files = readdirSync(node.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  // The history of a call that trusted code started holds what that code wrote there.
  const ledger = files.filter(({ name }) => name.startsWith('ledger.db'));
  expect(ledger.length).toBeGreaterThan(0);
  for (const { parentPath, name } of ledger) {
    expect(readFileSync(join(parentPath, name), 'latin1'), name).not.toMatch(/canary@example/);
  }
});
