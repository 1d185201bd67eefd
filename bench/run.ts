/**
 * `npm run bench`: the engine's own costs, as ratios of runs that are interleaved in one process on one machine.
 * Prints a table; with `--write` it also replaces the results in BENCHMARKS.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { request } from 'undici';
import { defaultFlags } from '../src/temporal/server/server-flags.ts';
import { measureCancel, startHangingProvider } from './measure-cancel.ts';
import { startBenchSimulator, startStand, type Stand } from './stand.ts';
import { median, percentile, throughput, timed } from './statistics.ts';

const WARM_UP = 60;
const ROUNDS = 8;
const CALLS_A_ROUND = 25;
const LOAD_CALLS = 400;
const LOAD_WIDTH = 64;
const LOAD_ROUNDS = 3;
const STREAM_CHUNKS = 5_000;
const DEFAULT_FLAG_CALLS = 20;

interface Row {
  what: string;
  result: string;
  bar: string;
}

const rows: Row[] = [];
const simulator = await startBenchSimulator();
const hanging = await startHangingProvider();
const stand = await startStand(simulator.url, { hangingUrl: hanging.url });
try {
  for (let call = 0; call < WARM_UP; call++) {
    await stand.bare();
    await stand.governed();
  }
  await measureLatency(stand);
  await measureThroughput(stand);
  await measureDispatch(stand);
  await measureHistory(stand);
  await measureStream(stand);
  for (const [way, times] of await measureCancel(stand, hanging)) {
    const what = `cancel to provider socket closed, p50, when ${way}`;
    rows.push({ what, result: `${show(times)} ms`, bar: '<= 1 s' });
  }
  await measureDefaultFlags();
} finally {
  await stand.stop();
  hanging.stop();
  simulator.stop();
}
report();

/** What a caller sees of one call: on an idle engine, and in a closed loop where the last call's end is still being written. */
async function measureLatency({ bare, governed }: Stand): Promise<void> {
  const idle = { bare: [] as number[], governed: [] as number[] };
  const loop = { bare: [] as number[], governed: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (let call = 0; call < CALLS_A_ROUND; call++) {
      idle.bare.push(await timed(bare));
      idle.governed.push(await timedWhenIdle(stand));
    }
    for (let call = 0; call < CALLS_A_ROUND; call++) loop.bare.push(await timed(bare));
    for (let call = 0; call < CALLS_A_ROUND; call++) loop.governed.push(await timed(governed));
  }
  addRatio(
    'governed call over HTTP / bare workflow `execute`, p50 at one caller, idle engine',
    idle,
    '<= 1.15x, wanted 0.9x',
  );
  addRatio('the same in a closed loop without a pause', loop, 'none');
}

/**
 * One governed call. The answer is handed over before the workflow has closed; its last steps are waited for here, so
 * that they are not on the next call's bill.
 */
async function timedWhenIdle({ client, governed }: Stand): Promise<number> {
  let id = '';
  const elapsed = await timed(async () => {
    id = await governed();
  });
  await client.workflow.getHandle(id).result();
  return elapsed;
}

function addRatio(what: string, { bare, governed }: { bare: number[]; governed: number[] }, bar: string): void {
  const ratio = median(governed) / median(bare);
  rows.push({ what, result: `${ratio.toFixed(2)}x (${show(governed)} / ${show(bare)} ms)`, bar });
}

async function measureThroughput({ client, bare, governed }: Stand): Promise<void> {
  const bareRates: number[] = [];
  const governedRates: number[] = [];
  for (let round = 0; round < LOAD_ROUNDS; round++) {
    bareRates.push(await throughput(LOAD_CALLS, LOAD_WIDTH, bare));
    const last: string[] = [];
    const keepLast = async () => {
      last.push(await governed());
      if (last.length > LOAD_WIDTH) last.shift();
    };
    // Answers run ahead of their workflows' ends: the rate counts until these, too, are written.
    const closed = async () => {
      await Promise.all(last.map((id) => client.workflow.getHandle(id).result()));
    };
    governedRates.push(await throughput(LOAD_CALLS, LOAD_WIDTH, keepLast, closed));
  }
  rows.push({
    what: `governed / bare, calls a second at ${LOAD_WIDTH} callers`,
    result: `${(median(governedRates) / median(bareRates)).toFixed(2)}x (${median(governedRates).toFixed(0)} / ${median(bareRates).toFixed(0)} a second)`,
    bar: '>= 0.85x, wanted 0.95x',
  });
}

/** From the door's acceptance to the row `dispatched`, as the ledger has them, on an idle engine. */
async function measureDispatch({ client, url, governed, bareDispatch }: Stand): Promise<void> {
  const waits: number[] = [];
  const bare: number[] = [];
  for (let call = 0; call < 100; call++) {
    const id = await governed();
    await client.workflow.getHandle(id).result();
    const response = await request(`${url}/api/v1/calls/${id}`);
    const { createdAt, attempts } = (await response.body.json()) as {
      createdAt: string;
      attempts: { startedAt: string }[];
    };
    bare.push(await bareDispatch());
    waits.push(Date.parse(attempts[0]?.startedAt ?? '') - Date.parse(createdAt));
  }
  rows.push({
    what: 'acceptance to provider dispatch, p50',
    result: `${median(waits)} ms (of a bare workflow: ${median(bare).toFixed(0)} ms)`,
    bar: '<= 10 ms',
  });
}

async function measureHistory({ client, governed }: Stand): Promise<void> {
  const handle = client.workflow.getHandle(await governed());
  await handle.result();
  const { historyLength, historySize } = await handle.describe();
  rows.push({
    what: 'history of a call',
    result: `${historyLength} events, ${historySize} bytes`,
    bar: '<= 16, <= 6144',
  });
}

/** CPU of this process for one long stream, less that of a call with hardly a chunk. */
async function measureStream({ url }: Stand): Promise<void> {
  const stream = async (words: number) => {
    const before = process.cpuUsage();
    const response = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: `sim/sim-small+words=${words}`,
        stream: true,
        max_tokens: 10,
        messages: [{ role: 'user', content: 'x' }],
      }),
    });
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
    const { user, system } = process.cpuUsage(before);
    if (bytes < words) throw new Error('the stream was cut');
    return user + system;
  };
  await stream(STREAM_CHUNKS);
  const long: number[] = [];
  const short: number[] = [];
  for (let round = 0; round < 5; round++) {
    short.push(await stream(1));
    long.push(await stream(STREAM_CHUNKS));
  }
  const each = (median(long) - median(short)) / STREAM_CHUNKS;
  rows.push({
    what: 'CPU a streamed chunk (gateway, worker and the reading client in one process)',
    result: `${each.toFixed(1)} us`,
    bar: '<= 20 us',
  });
}

/**
 * What the flags are worth to a workflow that waits for both of its tasks, and what is left of that for a caller, whose
 * answer waits for one.
 */
async function measureDefaultFlags(): Promise<void> {
  const untuned = await startStand(simulator.url, { flags: defaultFlags });
  try {
    for (let call = 0; call < 5; call++) {
      await untuned.governed();
      await untuned.bare();
    }
    const bare = { slow: [] as number[], fast: [] as number[] };
    const governed = { slow: [] as number[], fast: [] as number[] };
    for (let call = 0; call < DEFAULT_FLAG_CALLS; call++) {
      bare.slow.push(await timed(untuned.bare));
      bare.fast.push(await timed(stand.bare));
      governed.slow.push(await timedWhenIdle(untuned));
      governed.fast.push(await timedWhenIdle(stand));
    }
    for (const [what, { slow, fast }, bar] of [
      ['a bare workflow', bare, '>= 4x'],
      ['a governed call', governed, 'none'],
    ] as const) {
      rows.push({
        what: `default server flags / tuned, p50 of ${what} at one caller`,
        result: `${(median(slow) / median(fast)).toFixed(1)}x (${show(slow)} / ${show(fast)} ms)`,
        bar,
      });
    }
  } finally {
    await untuned.stop();
  }
}

function show(values: readonly number[]): string {
  return `${median(values).toFixed(1)}, p99 ${percentile(values, 0.99).toFixed(1)}`;
}

function report(): void {
  const table = [
    '| what | result | bar |',
    '|---|---|---|',
    ...rows.map(({ what, result, bar }) => `| ${what} | ${result} | ${bar} |`),
  ];
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
  const text = `${table.join('\n')}\n\nMeasured on ${machine}.\n`;
  console.log(text);
  if (!process.argv.includes('--write')) return;
  const path = new URL('BENCHMARKS.md', import.meta.url);
  const page = readFileSync(path, 'utf8');
  writeFileSync(path, page.replace(/(<!-- results -->\n)[\s\S]*?(\n<!-- end -->)/, `$1\n${text}$2`));
}
