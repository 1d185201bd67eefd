import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { postgresUnavailableReason } from '../../../test/support/postgres/binaries.ts';
import { expectConsistentSums } from '../../../test/support/postgres/consistent-sums.ts';
import { TEST_MASTER_KEY, ledgerAt, newLedger, useCluster } from '../../../test/support/postgres/ledgers.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import { accepted, answerOf, budget, dispatched, openInput } from '../contract/fixture.ts';
import { openPostgresLedger } from './open-postgres-ledger.ts';

const LANES = 8;
const wide = budget({ limitNanoUsd: 10n ** 12n });

interface Load {
  accepted: string[];
  answered: string[];
  refused: HoldfastError[];
  stop(): Promise<void>;
}

/** Lives calls through; an error of the ledger's server ends a call early, any other error fails the test. */
function startLoad(ledger: Ledger): Load {
  let isOn = true;
  const load: Omit<Load, 'stop'> = { accepted: [], answered: [], refused: [] };
  const callOnce = async (id: string): Promise<void> => {
    try {
      const callId = await accepted(ledger, id);
      load.accepted.push(callId);
      const lease = await dispatched(ledger, openInput(callId, { budgets: [wide] }));
      await ledger.recordAnswer(answerOf(lease));
      load.answered.push(callId);
    } catch (error) {
      if (!HoldfastError.is(error)) throw error;
      load.refused.push(error);
    }
  };
  const lane = async (number: number): Promise<void> => {
    for (let index = 0; isOn; index += 1) await callOnce(`call-${String(number)}-${String(index)}`);
  };
  const lanes = Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  const stop = async () => {
    isOn = false;
    await lanes;
  };
  return { ...load, stop };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setTimeout(5);
}

describe.skipIf(postgresUnavailableReason())('a PostgreSQL that goes away', () => {
  const cluster = useCluster();

  test.each(['SIGINT', 'SIGKILL'] as const)(
    'G1 restarted by %s under load, it loses nothing that was promised, and the same ledger goes on',
    async (signal) => {
      const { ledger, url } = await newLedger(cluster());
      const load = startLoad(ledger);
      await until(() => load.answered.length > 20);
      await cluster().stop(signal);
      await until(() => load.refused.length > LANES);
      const before = load.answered.length;
      await cluster().start();
      await until(() => load.answered.length > before + 20);
      await load.stop();
      for (const error of load.refused) expect(error).toMatchObject({ code: 'engine_unavailable', retryAfterMs: 1000 });
      const ended = new Set<string>();
      for (const callId of load.accepted) {
        const call = await ledger.getCall(callId);
        expect(call?.requestRef).toBeTruthy();
        if (call?.state === 'ended') ended.add(callId);
      }
      expect(load.answered.filter((callId) => !ended.has(callId))).toEqual([]);
      await expectConsistentSums(cluster(), url);
    },
  );

  test('a repeat of a verb whose commit may or may not have happened has one effect', async () => {
    const { ledger, url } = await newLedger(cluster());
    const callId = await accepted(ledger, 'a');
    const lease = await dispatched(ledger, openInput(callId, { budgets: [wide] }));
    await cluster().query(
      url,
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast'`,
    );
    const record = async () => {
      try {
        return await ledger.recordAnswer(answerOf(lease));
      } catch (error) {
        expect(error).toMatchObject({ code: 'engine_unavailable' });
        return record();
      }
    };
    expect(await record()).toMatchObject({ written: true });
    expect(await record()).toMatchObject({ written: true });
    expect(await ledger.takeOutbox(10)).toHaveLength(1);
    await expectConsistentSums(cluster(), url);
  });

  test('a ledger cannot be opened while the server is away, and says so', async () => {
    const { url } = await newLedger(cluster());
    await cluster().stop('SIGINT');
    const refused = expect.objectContaining({ code: 'engine_unavailable' }) as Error;
    await expect(openPostgresLedger({ url, masterKey: TEST_MASTER_KEY })).rejects.toEqual(refused);
    await cluster().start();
    const { ledger } = await ledgerAt(url);
    expect(await ledger.listCalls({ limit: 1 })).toEqual({ calls: [], next: null });
  });
});

test('a server that accepts connections and says nothing does not keep anyone waiting for ever', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  await once(silent, 'listening');
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `postgres://user@127.0.0.1:${String(address.port)}/db`;
  await expect(
    openPostgresLedger({ url, masterKey: TEST_MASTER_KEY, waits: { connectMs: 200 } }),
  ).rejects.toMatchObject({ code: 'engine_unavailable' });
});
