/**
 * Test support: a process of its own at a ledger, which is a SQLite file or a `postgres:` URL.
 * - `grab PLACE NAME COUNT LIMIT` opens attempts against one hard budget, from the moment that a line comes in, and prints
 *   how many were granted.
 * - `churn PLACE NAME` lives calls through until it is killed, and says so once `CHURNED` of them have ended.
 * - `serve PLACE NAME` opens the ledger at the first line, and answers each line, a JSON `ChildCommand`, with one of JSON.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { BudgetSpec } from '../../core/ports/ledger/budgets.ts';
import { openPostgresLedger } from '../postgres/open-postgres-ledger.ts';
import { openSqliteLedger } from '../sqlite/open-sqlite-ledger.ts';
import {
  CHURNED,
  DAY_MS,
  PATIENT_WAITS,
  acceptInput,
  admitted,
  accepted,
  answerOf,
  budget,
  dispatched,
  failureOf,
  openInput,
  success,
} from './fixture.ts';
import { nestedBudgets, type NestedLimits, type NestedSpend } from './nested-spend.ts';

export type ChildCommand =
  | { do: 'open' }
  /** Opens an attempt for each amount at once; answers which were granted. */
  | { do: 'spend'; amounts: string[]; limit: string; scope: string }
  /** The same under nested budgets of a tenant. */
  | { do: 'spend-nested'; tenant: string; spends: NestedSpend[]; limits: NestedLimits }
  /** Accepts a call for each key at once; answers status and call id of each. */
  | { do: 'claim'; keys: string[] }
  /** Accepts the same request for each subject at once; answers where each is. */
  | { do: 'say'; users: string[] }
  /** Appends as many audit entries at once. */
  | { do: 'audit'; count: number };

const CHURN_LANES = 8;
const [mode, place = '', name = '', count = '0', limit = '0'] = process.argv.slice(2);

const open = async () => {
  const masterKey = new Uint8Array(32).fill(1);
  const isUrl = place.startsWith('postgres:');
  return isUrl
    ? openPostgresLedger({ url: place, masterKey, waits: PATIENT_WAITS })
    : openSqliteLedger({ path: place, masterKey });
};

async function grab(): Promise<void> {
  const { ledger } = await open();
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

async function churn(): Promise<void> {
  const { ledger } = await open();
  const budgets = [budget({ period: 'total', limitNanoUsd: 10n ** 12n }), budget({ scope: 'key:app', period: 'hour' })];
  for (const spec of budgets) spec.hard = false;
  let ended = 0;
  const lane = async (number: number): Promise<never> => {
    for (let index = 0; ; index += 1) {
      const callId = await admitted(ledger, `${name}-${String(number)}-${String(index)}`, budgets);
      const lease = await dispatched(ledger, openInput(callId, { budgets }));
      if (index % 3 === 0) await ledger.recordFailure(failureOf(lease));
      else if (index % 3 === 1) await ledger.recordAnswer(answerOf(lease, BigInt(index % 1000)));
      await ledger.settle(success(callId));
      ended += 1;
      if (ended === CHURNED) console.log('churning');
    }
  };
  await Promise.all(Array.from({ length: CHURN_LANES }, (_, number) => lane(number)));
}

async function serve(): Promise<void> {
  const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
  console.log('ready');
  let line = await lines.next();
  if (line.done) return;
  const { ledger } = await open();
  let round = 0;

  const spend = async (amount: string, index: number, budgets: BudgetSpec[]) => {
    const callId = await accepted(ledger, `${name}-${String(budgets[0]?.scope)}-${String(round)}-${String(index)}`);
    const opened = await ledger.openAttempt(openInput(callId, { worstCaseNanoUsd: BigInt(amount), budgets }));
    return opened.status === 'dispatched';
  };
  const claim = async (key: string) => {
    const result = await ledger.accept(acceptInput(key, { idempotency: { key, bodyHash: 'same', ttlMs: DAY_MS } }));
    const callId = result.status === 'accepted' ? result.input.callId : result.callId;
    return { status: result.status, callId };
  };
  const say = async (user: string) => {
    const principal = { tenant: 'acme', key: 'app', models: null };
    const call = { kind: 'chat', model: 'smart', principal, tags: { user } } as const;
    const result = await ledger.accept(acceptInput(`${name}-${user}`, { call, requestBytes: Buffer.from('hello') }));
    return result.status === 'accepted' ? result.input.requestRef : result.status;
  };
  const run = (command: ChildCommand): Promise<unknown> => {
    switch (command.do) {
      case 'open':
        return Promise.resolve('opened');
      case 'spend':
        return Promise.all(
          command.amounts.map((amount, index) => {
            const { scope } = command;
            return spend(amount, index, [budget({ scope, period: 'total', limitNanoUsd: BigInt(command.limit) })]);
          }),
        );
      case 'spend-nested':
        return Promise.all(
          command.spends.map((each, index) =>
            spend(each.amount, index, nestedBudgets(command.tenant, each, command.limits)),
          ),
        );
      case 'claim':
        return Promise.all(command.keys.map(claim));
      case 'say':
        return Promise.all(command.users.map(say));
      case 'audit': {
        const entry = { actor: name, action: 'x', subject: 'y', details: {} };
        return Promise.all(Array.from({ length: command.count }, () => ledger.appendAudit(entry)));
      }
    }
  };
  for (; !line.done; line = await lines.next()) {
    console.log(JSON.stringify(await run(JSON.parse(line.value) as ChildCommand)));
    round += 1;
  }
  await ledger.close();
}

if (mode === 'grab') await grab();
else if (mode === 'churn') await churn();
else await serve();
