/**
 * Test support: a process of its own at a ledger file. `grab PATH NAME COUNT LIMIT` opens attempts against one hard
 * budget, from the moment that a line comes in, and prints how many were granted; `churn PATH NAME` lives calls through until it is killed.
 */
import { once } from 'node:events';
import {
  admitted,
  accepted,
  answerOf,
  budget,
  dispatched,
  failureOf,
  openInput,
  success,
} from '../contract/fixture.ts';
import { openSqliteLedger } from './open-sqlite-ledger.ts';

const CHURN_LANES = 8;
const [mode, path = '', name = '', count = '0', limit = '0'] = process.argv.slice(2);
const { ledger } = openSqliteLedger({ path, masterKey: new Uint8Array(32).fill(1) });

async function grab(): Promise<void> {
  console.log('ready');
  await once(process.stdin, 'data');
  const budgets = [budget({ period: 'total', limitNanoUsd: BigInt(limit) })];
  let granted = 0;
  for (let index = 0; index < Number(count); index += 1) {
    const callId = await accepted(ledger, `${name}-${String(index)}`);
    const opened = await ledger.openAttempt(openInput(callId, { worstCaseNanoUsd: 100n, budgets }));
    if (opened.status === 'dispatched') granted += 1;
  }
  await ledger.close();
  console.log(granted);
  process.stdin.destroy();
}

async function churn(lane: number): Promise<never> {
  const budgets = [budget({ period: 'total', limitNanoUsd: 10n ** 12n }), budget({ scope: 'key:app', period: 'hour' })];
  for (const spec of budgets) spec.hard = false;
  for (let index = 0; ; index += 1) {
    const callId = await admitted(ledger, `${name}-${String(lane)}-${String(index)}`, budgets);
    const lease = await dispatched(ledger, openInput(callId, { budgets }));
    if (index % 3 === 0) await ledger.recordFailure(failureOf(lease));
    else if (index % 3 === 1) await ledger.recordAnswer(answerOf(lease, BigInt(index % 1000)));
    await ledger.settle(success(callId));
    if (index === 2 && lane === 0) console.log('churning');
  }
}

if (mode === 'grab') await grab();
else await Promise.all(Array.from({ length: CHURN_LANES }, (_, lane) => churn(lane)));
