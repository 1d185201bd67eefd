/** A home that goes back to a backup after its node was killed: it serves what the backup knows, and takes new calls. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { runCliHere } from '../support/run-cli-here.ts';
import { createUpHome, type UpHome, type UpProcess } from '../support/up-process.ts';

let simulator: Simulator;
let home: UpHome;
let up: UpProcess;
let copy: string;
beforeAll(async () => {
  simulator = await startSimulator();
  copy = join(mkdtempSync(join(tmpdir(), 'holdfast-copy-')), 'ledger.db');
  home = await createUpHome(`
providers:
  sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
`);
  up = await home.start();
});
afterAll(async () => {
  await up.stop();
  await home.remove();
  rmSync(dirname(copy), { recursive: true, force: true });
  await simulator.close();
});

async function ask(key: string): Promise<{ callId: string | null; replayed: string | null; status: number }> {
  const response = await fetch(`${home.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ model: 'small', max_tokens: 50, messages: [{ role: 'user', content: key }] }),
  });
  await response.text();
  const { headers, status } = response;
  return { callId: headers.get('x-holdfast-call-id'), replayed: headers.get('idempotent-replayed'), status };
}

const holdfast = (...args: string[]) => runCliHere(args, { env: { HOLDFAST_HOME: home.home } });

it('answers from the backup, makes anew what came after it, and keeps what was there', async () => {
  const known = await ask('before the backup');
  expect(await holdfast('backup', copy)).toMatchObject({ code: 0 });
  const later = await ask('after the backup');
  expect(await holdfast('restore', copy)).toMatchObject({ code: 1, err: expect.stringContaining('in use') });

  await up.kill();
  // The Temporal server of the killed node is alive still, on the histories that are set aside.
  expect(await holdfast('restore', copy)).toMatchObject({ code: 0, err: '' });
  up = await home.start();

  expect(await ask('before the backup')).toEqual({ ...known, replayed: 'true' });
  expect(await ask('after the backup')).toMatchObject({ status: 200, callId: later.callId, replayed: null });
  expect(simulator.count).toBe(3);
  const { calls } = (await (await fetch(`${home.url}/api/v1/calls`)).json()) as { calls: CallView[] };
  expect(calls.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
});
