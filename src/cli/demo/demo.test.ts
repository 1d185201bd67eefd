import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, test } from 'vitest';
import { entryPoint } from '../entry-point.ts';
import { isFreePort } from '../../temporal/server/free-ports.ts';

const STEPS = [
  'an answer, with its cost',
  'a stream, token by token',
  'a provider that says 429: wait as it asks, then again',
  'a provider that is down: the next one answers',
  'a tenant whose budget has no room: refused, before anything is spent',
  'the same Idempotency-Key again: the same answer, not paid twice',
  'kill -9 in mid-call: the call is answered after a restart',
];
const TIMEOUT_MS = 120_000;

const started: { demo: ChildProcess; folder: string }[] = [];

afterAll(async () => {
  for (const { demo, folder } of started) {
    if (demo.exitCode === null && demo.signalCode === null && demo.kill('SIGTERM')) await once(demo, 'exit');
    rmSync(folder, { recursive: true, force: true });
  }
});

interface DemoRun {
  code: number | null;
  output: string;
  /** Command lines of processes that the demo left behind. */
  left: string[];
  files: string[];
}

/** Runs the demo to its end, and sends it SIGINT once it has printed `interruptAt`. */
async function runDemo(args: string[], interruptAt?: string, env: NodeJS.ProcessEnv = {}): Promise<DemoRun> {
  // Every process that the demo starts inherits this, and can be found by it.
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-demo-test-'));
  const demo = spawn(process.execPath, [entryPoint(), 'demo', ...args], {
    env: { ...process.env, TMPDIR: folder, OPENAI_API_KEY: 'not-a-key', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push({ demo, folder });
  const lines: string[] = [];
  for (const stream of [demo.stdout, demo.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (interruptAt !== undefined && line.includes(interruptAt)) demo.kill('SIGINT');
    });
  }
  const [code] = (await once(demo, 'close')) as [number | null];
  return { code, output: lines.join('\n'), left: processesWith(`TMPDIR=${folder}`), files: readdirSync(folder) };
}

/** Command lines of processes with this text in their environment. */
function processesWith(text: string): string[] {
  return execFileSync('ps', ['axeww', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    .split('\n')
    .filter((line) => line.includes(text));
}

describe.concurrent('holdfast demo', () => {
  test(
    'does what each of its steps says, shows a link for each call, and leaves nothing behind',
    { timeout: TIMEOUT_MS },
    async () => {
      const { code, output, left, files } = await runDemo([]);
      for (const step of STEPS) expect(output).toContain(`    ok: ${step}`);
      expect(code).toBe(0);
      expect(output).toContain('OPENAI_API_KEY');
      expect(output).toContain('attempt 1 -> unknown');
      expect(output).toMatch(/demo-failover\s+succeeded\s+2\s+\$0\.000\d+\s+\d+/);
      expect(output).toMatch(/demo\s+denied \(budget_exceeded\)\s+0\s+\$0\.00/);
      const [, gateway = '', ui = ''] =
        /gateway http:\/\/127\.0\.0\.1:(\d+), Temporal UI http:\/\/127\.0\.0\.1:(\d+)/.exec(output) ?? [];
      const links = [...output.matchAll(/^ +http:\/\/127\.0\.0\.1:(\d+)\/namespaces\/default\/workflows\/call_\S+$/gm)];
      expect(links).toHaveLength(STEPS.length);
      expect(links.every(([, port]) => port === ui)).toBe(true);
      expect(left).toEqual([]);
      expect(files).toEqual([]);
      expect(await Promise.all([Number(gateway), Number(ui)].map(isFreePort))).toEqual([true, true]);
    },
  );

  test('with --stay it waits for Ctrl-C after its last step, and ends well', { timeout: TIMEOUT_MS }, async () => {
    const { code, output, left, files } = await runDemo(['--stay'], 'everything stays up');
    expect(output).toContain(`    ok: ${STEPS.at(-1) ?? ''}`);
    expect(code).toBe(0);
    expect(left).toEqual([]);
    expect(files).toEqual([]);
  });

  test(
    'Ctrl-C while the killed process is down stops the orphaned Temporal server too',
    { timeout: TIMEOUT_MS },
    async () => {
      const { code, output, left, files } = await runDemo([], 'starting again on the same home');
      expect(output).not.toContain(`    ok: ${STEPS.at(-1) ?? ''}`);
      expect(code).toBe(130);
      expect(left).toEqual([]);
      expect(files).toEqual([]);
    },
  );

  test('what keeps it from starting is said, with exit 1 and nothing left', { timeout: TIMEOUT_MS }, async () => {
    const { code, output, left, files } = await runDemo([], undefined, { HOLDFAST_TEMPORAL_CLI: '/bin/false' });
    expect(code).toBe(1);
    expect(output).toContain('HOLDFAST_TEMPORAL_CLI=/bin/false cannot be used');
    expect(output).not.toContain('ok:');
    expect(left).toEqual([]);
    expect(files).toEqual([]);
  });
});
