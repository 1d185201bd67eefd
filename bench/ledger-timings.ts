/**
 * What the ledger's transactions cost on this machine. `node bench/ledger-timings.ts [CALLS] [FOLDER]`.
 * One caller first (each transaction waits for the disk alone), then 64 callers (they share commits).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ledger } from '../src/core/ports/ledger.ts';
import { DAY_MS, acceptInput, allowed, answerOf, budget, openInput } from '../src/stores/contract/fixture.ts';
import { openSqliteLedger } from '../src/stores/sqlite/open-sqlite-ledger.ts';

const CALLERS = 64;
const TRANSACTIONS_A_CALL = 3;
const calls = Number(process.argv[2] ?? 2000);
const folder = mkdtempSync(join(process.argv[3] ?? tmpdir(), 'holdfast-timings-'));
const { ledger } = openSqliteLedger({ path: join(folder, 'ledger.db'), masterKey: new Uint8Array(32) });
const budgets = [budget({ limitNanoUsd: 10n ** 15n, alertAt: [0.8] })];

type Timed = <T>(name: string, run: () => Promise<T>) => Promise<T>;

async function liveCall(on: Ledger, id: string, timed: Timed): Promise<void> {
  const idempotency = { key: id, bodyHash: 'h', ttlMs: DAY_MS };
  const admission = { admission: allowed, worstCaseNanoUsd: 1000n, budgets };
  const requestBytes = Buffer.from(id.padEnd(500));
  await timed('accept', () => on.accept(acceptInput(id, { idempotency, requestBytes, admission })));
  const callId = `${id}-g1`;
  const opened = await timed('openAttempt', () => on.openAttempt(openInput(callId, { budgets })));
  if (opened.status !== 'dispatched') throw new Error(opened.status);
  const answer = { ...answerOf(opened.lease), answerBytes: Buffer.from(`answer of ${id}`.padEnd(500)) };
  await timed('recordAnswer', () => on.recordAnswer(answer));
}

const samples = new Map<string, number[]>();
for (let index = 0; index < calls; index += 1) {
  await liveCall(ledger, `one-${String(index)}`, async (name, run) => {
    await nextTurn();
    const start = performance.now();
    const result = await run();
    const times = samples.get(name) ?? [];
    times.push(performance.now() - start);
    samples.set(name, times);
    return result;
  });
}
for (const [name, times] of samples) {
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(3);
  console.log(`${name.padEnd(12)} p50 ${at(0.5)} ms  p99 ${at(0.99)} ms`);
}

const start = performance.now();
const plain: Timed = async (_name, run) => {
  await nextTurn();
  return run();
};
const perCaller = Math.ceil(calls / CALLERS);
await Promise.all(
  Array.from({ length: CALLERS }, async (_, caller) => {
    for (let index = 0; index < perCaller; index += 1)
      await liveCall(ledger, `many-${String(caller)}-${String(index)}`, plain);
  }),
);
const perTransaction = (performance.now() - start) / (CALLERS * perCaller * TRANSACTIONS_A_CALL);
console.log(`${String(CALLERS)} callers   ${perTransaction.toFixed(3)} ms a transaction`);
await ledger.close();
rmSync(folder, { recursive: true });
