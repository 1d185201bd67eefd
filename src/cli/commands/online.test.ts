/** Commands beside a running `holdfast up`, and what `up` itself does when it ends or loses its Temporal server. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCliHere } from '../../../test/support/run-cli-here.ts';
import { until } from '../../../test/support/test-node.ts';
import { createUpHome, type UpHome, type UpProcess } from '../../../test/support/up-process.ts';
import { createClient, type CallDescription } from '../../client/index.ts';
import { startSimulator, type Simulator } from '../../simulator/simulator.ts';
import { isRunning } from '../../temporal/process/process-identity.ts';
import { readServerState } from '../../temporal/server/server-state.ts';
import { findRunningGateway } from '../gateway-file.ts';

let simulator: Simulator;
let at: UpHome;
let up: UpProcess;

beforeAll(async () => {
  simulator = await startSimulator();
  at = await createUpHome(`
providers:
  sim: { kind: simulated, baseUrl: "${simulator.url}/v1", allowPrivateAddress: true }
models:
  small: { targets: [{ provider: sim, model: sim-small }] }
  slow: { targets: [{ provider: sim, model: sim-slow }] }
`);
  up = await at.start();
});
afterAll(async () => {
  if (up.child.exitCode === null && up.child.signalCode === null) await up.stop();
  await at.remove();
  await simulator.close();
});

const holdfast = (...args: string[]) =>
  runCliHere(args, { env: { HOLDFAST_HOME: at.home, HOLDFAST_CONFIG: join(at.home, 'holdfast.yaml') } });
async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await holdfast(...args, '--json');
  expect({ code, err: err.includes('error') }).toEqual({ code: 0, err: false });
  return JSON.parse(out) as T;
}

describe('holdfast call', () => {
  test('finds the running gateway, prints the answer to stdout and its figures to stderr', async () => {
    expect(findRunningGateway(at.home)).toMatchObject({ url: at.url, pid: up.child.pid });
    const { code, out, err } = await holdfast('call', 'small', 'What', 'is', 'this?');
    expect(code).toBe(0);
    expect(out).toMatch(/^\[simulated\] .*\n$/);
    expect(err).toMatch(/^call_\S+ {2}sim\/sim-small, attempts: 1, cost: \$0\.000\d+\n$/);
    expect(simulator.seen.at(-1)?.body['messages']).toEqual([{ role: 'user', content: 'What is this?' }]);
  });

  test('streams the same text, in one line or as chunks', async () => {
    const { out } = await holdfast('call', 'small', 'hi', '--stream');
    expect(out).toBe((await holdfast('call', 'small', 'hi')).out);
    const chunks = (await holdfast('call', 'small', 'hi', '--stream', '--json')).out.trimEnd().split('\n');
    expect(chunks.length).toBeGreaterThan(5);
    for (const chunk of chunks) expect(JSON.parse(chunk)).toHaveProperty('choices');
  });

  test('with the same key pays once', async () => {
    const before = simulator.count;
    const run = () =>
      json<{ callId: string; replayed: boolean }>('call', 'small', 'once', '--idempotency-key', 'cli-1');
    const first = await run();
    expect(await run()).toMatchObject({ callId: first.callId, replayed: true });
    expect(simulator.count - before).toBe(1);
  });

  test('a failure is one line with its code, and exit 1', async () => {
    const { code, out, err } = await holdfast('call', 'nothing', 'hi');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^not_found: The model "nothing" does not exist\. .*\n$/);
  });
});

describe('holdfast calls', () => {
  test('list and show have the shapes that scripts rely on', async () => {
    const { calls, next } = await json<{ calls: CallDescription[]; next: string | null }>(
      'calls',
      'list',
      '--limit',
      '1',
    );
    expect(calls).toHaveLength(1);
    expect(next).not.toBeNull();
    const call = await json<CallDescription>('calls', 'show', calls[0]!.id);
    expect(call).toEqual(calls[0]);
    expect(call).toMatchObject({
      tenant: 'default',
      kind: 'chat',
      state: 'ended',
      pricing: 'priced',
      costNanoUsd: expect.stringMatching(/^\d+$/),
    });
    expect(call.attempts).toMatchObject([
      { n: 1, provider: 'sim', model: 'sim-small', state: 'settled', usage: { inputTokens: expect.any(Number) } },
    ]);
    const listed = await holdfast('calls', 'list', '--limit', '1');
    expect(listed.out).toContain(`more: --after ${next ?? ''}`);
    expect((await holdfast('calls', 'list', '--after', next ?? '')).out).not.toContain(call.id);
    const shown = (await holdfast('calls', 'show', call.id)).out;
    expect(shown).toMatch(/cost +\$0\.000/);
    expect(shown).toMatch(/1 +sim\/sim-small +- +settled/);
  });

  test('cancel ends a call that runs; one that has ended stays as it is', async () => {
    const started = holdfast('call', 'slow', 'wait');
    await until(
      'it runs',
      async () => (await json<{ calls: object[] }>('calls', 'list', '--state', 'running')).calls.length === 1,
    );
    const { calls } = await json<{ calls: CallDescription[] }>('calls', 'list', '--state', 'running');
    expect((await holdfast('calls', 'cancel', calls[0]!.id)).out).toContain('cancel requested');
    expect(await started).toMatchObject({ code: 1, err: expect.stringMatching(/^cancelled: /) });
    expect((await holdfast('calls', 'cancel', calls[0]!.id)).out).toContain('has ended: cancelled');
    expect((await holdfast('calls', 'cancel', 'call_none')).err).toMatch(/^not_found: /);
  });
});

test('replay export finds the Temporal server of the home, and check replays what it wrote', async () => {
  const folder = join(at.home, 'histories');
  const query = "WorkflowType = 'llmCall' AND ExecutionStatus = 'Completed'";
  // The index of the server follows its histories.
  await until('a call is found', async () => {
    const { code, err } = await holdfast('replay', 'export', '--query', query, '--out', folder, '--limit', '2');
    if (code !== 0 && !err.startsWith('not_found: ')) throw new Error(err);
    return code === 0;
  });
  const { out, code } = await holdfast('replay', 'check', folder);
  expect(code).toBe(0);
  expect(out).toMatch(/^llmCall-\S+\.json +llmCall +\d+ +replays$/m);
});

test('the doctor takes the ports of the running node for its own', async () => {
  const { code, out } = await holdfast('doctor');
  expect(code).toBe(0);
  expect(out.match(/is ours/g)).toHaveLength(3);
  expect(out).toContain(`is served by process ${String(up.child.pid)}`);
});

test('over HOLDFAST_URL the same commands ask the gateway', async () => {
  const env = { HOLDFAST_URL: at.url, HOLDFAST_HOME: join(at.home, 'none') };
  expect((await runCliHere(['models'], { env })).out).toContain('sim/sim-small');
  expect((await runCliHere(['call', 'small', 'hi'], { env })).out).toContain('[simulated]');
  expect((await runCliHere(['doctor'], { env })).err).toContain('Unset HOLDFAST_URL');
  expect((await runCliHere(['models'], { env: { HOLDFAST_URL: 'http://127.0.0.1:9' } })).err).toMatch(
    /^engine_unavailable: .*127\.0\.0\.1:9/,
  );
});

describe('holdfast up', () => {
  test('SIGTERM withdraws the gateway file, stops the Temporal server, and exits 0', async () => {
    const server = readServerState(at.home)!;
    expect(await up.stop()).toBe(0);
    expect(existsSync(join(at.home, 'gateway.json'))).toBe(false);
    expect(isRunning(server)).toBe(false);
  });

  test('after kill -9 the file that it left behind counts for nothing', async () => {
    up = await at.start();
    await up.kill();
    expect(existsSync(join(at.home, 'gateway.json'))).toBe(true);
    expect((await holdfast('call', 'small', 'hi')).err).toContain('No gateway runs');
    expect((await holdfast('doctor')).out).toContain('takes it over');
  });

  test('when its Temporal server dies it says so and exits 1; after the next start calls in flight go on', async () => {
    up = await at.start();
    expect(up.output()).toContain('taken over from an earlier run');
    const server = readServerState(at.home)!;
    const before = simulator.count;
    const call = await createClient({ url: at.url }).start({
      model: 'sim/sim-small+delay=1500',
      messages: [{ role: 'user', content: 'stay' }],
    });
    await until('the provider sees it', () => simulator.count > before);
    process.kill(server.pid, 'SIGKILL');
    await until('it ends', () => up.child.exitCode !== null, 30_000);
    expect(up.child.exitCode).toBe(1);
    expect(up.output()).toContain(`engine_unavailable: The Temporal server (pid ${String(server.pid)}) has ended`);
    expect(findRunningGateway(at.home)).toBeNull();

    up = await at.start();
    const { call: ended } = await createClient({ url: at.url }).getCall(call.id).result();
    expect(ended.outcome).toBe('succeeded');
    expect(simulator.count - before).toBe(ended.attempts.length);
    expect(await up.stop()).toBe(0);
  });
});
