/** A new master key, and SIGKILL after each step of the change: the home always opens, and the change can be finished. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ledgerPath } from '../../src/ledger/open-ledger.ts';
import type { RekeyStep } from '../../src/ledger/rekey-master.ts';
import { createHistorySealer, historyKeyBytes } from '../../src/stores/crypto/history-key.ts';
import { forgetNextMasterKey } from '../../src/stores/crypto/master-key.ts';
import { createEncryptedSecretFile } from '../../src/stores/files/encrypted-secret-file.ts';
import { HOUR_MS, START, acceptInput, bytes } from '../../src/stores/contract/fixture.ts';
import { openSqliteLedger } from '../../src/stores/sqlite/open-sqlite-ledger.ts';
import { lockHome } from '../../src/temporal/server/home-lock.ts';
import { runCliHere } from '../support/run-cli-here.ts';

const OLD = Buffer.alloc(32, 1);
const NEW = Buffer.alloc(32, 2);
const CHILD = fileURLToPath(new URL('../support/rekey-child.ts', import.meta.url));
const claim = { key: 'k', bodyHash: 'hash', ttlMs: HOUR_MS };

interface Home {
  home: string;
  ref: string;
  callId: string;
  fingerprints: string;
}

async function newHome(): Promise<Home> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-rekey-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const env = { HOLDFAST_HOME: home, HOLDFAST_MASTER_KEY: OLD.toString('base64') };
  await runCliHere(['secrets', 'set', 'claude', '--secret-stdin'], { env, input: 'the secret' });
  const { ledger, keys } = open(home, OLD);
  const call = {
    kind: 'chat',
    model: 'smart',
    principal: { tenant: 'acme', key: null, models: null },
    tags: { user: 'ann' },
  } as const;
  const result = await ledger.accept(
    acceptInput('a', { call, idempotency: claim, requestBytes: bytes('the question') }),
  );
  if (result.status !== 'accepted') throw new Error(result.status);
  const fingerprints = Buffer.from(await keys.fingerprints()).toString('hex');
  await ledger.close();
  return { home, ref: result.input.requestRef ?? '', callId: result.input.callId, fingerprints };
}

function open(home: string, masterKey: Uint8Array) {
  return openSqliteLedger({ path: ledgerPath(home), masterKey, clock: () => START });
}

/** Whether all of the home opens with this key, and says what it said before. */
async function opensWith({ home, ref, callId, fingerprints }: Home, masterKey: Uint8Array): Promise<boolean> {
  const secrets = createEncryptedSecretFile({ path: join(home, 'secrets.json'), masterKey });
  const secret = await secrets.resolve('claude').catch(() => null);
  let stores: ReturnType<typeof open>;
  try {
    stores = open(home, masterKey);
  } catch {
    return false;
  }
  const { ledger, payloads, keys } = stores;
  try {
    expect(secret?.value).toBe('the secret');
    expect(await payloads.get(ref)).toEqual(bytes('the question'));
    expect(Buffer.from(await keys.fingerprints()).toString('hex')).toBe(fingerprints);
    expect(await ledger.lookUpKey('acme', claim)).toMatchObject({ status: 'attached', callId });
    expect(await keys.histories.find(createHistorySealer(historyKeyBytes(OLD)).id)).not.toBeNull();
    expect(await ledger.verifyAudit()).toMatchObject({ brokenAt: null });
    return true;
  } finally {
    await ledger.close();
  }
}

async function killedAfter(home: string, step: RekeyStep): Promise<void> {
  const args = [CHILD, home, OLD.toString('base64'), NEW.toString('base64'), step];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
}

const rekey = (home: string, current: Uint8Array) =>
  runCliHere(['secrets', 'rekey', '--master'], {
    env: {
      HOLDFAST_HOME: home,
      HOLDFAST_MASTER_KEY: Buffer.from(current).toString('base64'),
      HOLDFAST_NEW_MASTER_KEY: NEW.toString('base64'),
    },
  });

/** A piece of each wrapped key, and how many of these stand in the ledger's files. */
function wrappedKeys(home: string) {
  const database = new DatabaseSync(ledgerPath(home));
  const wrapped = database.prepare('select wrapped from data_keys').all();
  database.close();
  const old = wrapped.map((row) => Buffer.from(row['wrapped'] as Uint8Array).subarray(4, 40));
  const files = () => ['ledger.db', 'ledger.db-wal'].map((name) => join(home, name)).filter((path) => existsSync(path));
  return { old, stands: () => old.filter((key) => files().some((path) => readFileSync(path).includes(key))).length };
}

describe('holdfast secrets rekey --master', () => {
  test.each([
    ['secrets-prepared', OLD, NEW],
    ['key-kept', OLD, NEW],
    ['ledger-changed', NEW, OLD],
    ['secrets-finished', NEW, OLD],
    ['key-file-written', NEW, OLD],
  ] as const)(
    'killed after the step %s, the home opens with one key and not the other; run again, it is done',
    async (step, good, bad) => {
      const at = await newHome();
      await killedAfter(at.home, step);
      expect(await opensWith(at, good)).toBe(true);
      expect(await opensWith(at, bad)).toBe(false);
      expect(await rekey(at.home, OLD)).toMatchObject({ code: 0 });
      expect(await opensWith(at, NEW)).toBe(true);
      expect(await opensWith(at, OLD)).toBe(false);
      expect(await rekey(at.home, NEW)).toMatchObject({ code: 0 });
      expect(await opensWith(at, NEW)).toBe(true);
      expect(readFileSync(join(at.home, 'secrets.json'), 'utf8')).not.toContain('"next"');
    },
  );

  test.each(['key-kept', 'ledger-changed', 'secrets-finished'] as const)(
    'killed after the step %s, the new key is on disk for its owner only, and finishes the change by itself',
    async (step) => {
      const at = await newHome();
      await killedAfter(at.home, step);
      const path = join(at.home, 'master.key.next');
      expect(readFileSync(path, 'utf8').trim()).toBe(NEW.toString('base64'));
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const old = { HOLDFAST_HOME: at.home, HOLDFAST_MASTER_KEY: OLD.toString('base64') };
      expect(await runCliHere(['secrets', 'rekey', '--master'], { env: old })).toMatchObject({
        code: 0,
        out: expect.stringMatching(/until a node started with it, it is in .*master\.key\.next too/),
      });
      expect(await opensWith(at, NEW)).toBe(true);
      expect(existsSync(path)).toBe(true);
    },
  );

  test('a prepared key that is given up for the one in use takes no secret with it', async () => {
    const at = await newHome();
    await killedAfter(at.home, 'secrets-prepared');
    const env = { HOLDFAST_HOME: at.home, HOLDFAST_MASTER_KEY: OLD.toString('base64') };
    const back = { ...env, HOLDFAST_NEW_MASTER_KEY: OLD.toString('base64') };
    expect(await runCliHere(['secrets', 'rekey', '--master'], { env: back })).toMatchObject({ code: 0 });
    expect(await opensWith(at, OLD)).toBe(true);
    expect(readFileSync(join(at.home, 'secrets.json'), 'utf8')).not.toContain('"next"');
  });

  test('the kept key goes when the home has opened with it, and no other does', async () => {
    const at = await newHome();
    await killedAfter(at.home, 'ledger-changed');
    forgetNextMasterKey(at.home, OLD);
    expect(existsSync(join(at.home, 'master.key.next'))).toBe(true);
    forgetNextMasterKey(at.home, NEW);
    expect(existsSync(join(at.home, 'master.key.next'))).toBe(false);
  });

  test('killed before the old bytes are overwritten, the next run does it, though another process has the ledger open', async () => {
    const at = await newHome();
    const { old, stands } = wrappedKeys(at.home);
    const reader = new DatabaseSync(ledgerPath(at.home));
    onTestFinished(() => reader.close());
    reader.prepare('select 1 from calls').all();
    await killedAfter(at.home, 'ledger-changed');
    expect(stands()).toBe(old.length);
    expect(await rekey(at.home, OLD)).toMatchObject({ code: 0 });
    expect(stands()).toBe(0);
  });

  test('nothing that the old key wraps is left in the files', async () => {
    const at = await newHome();
    const { old, stands } = wrappedKeys(at.home);
    expect(old).toHaveLength(3);
    expect(stands()).toBe(3);
    const secretBefore = readFileSync(join(at.home, 'secrets.json'), 'utf8');
    const { out } = await rekey(at.home, OLD);
    expect(out).toMatch(/^4 keys of the ledger and the secrets are wrapped/);
    expect(stands()).toBe(0);
    const [, sealed = ''] = /"sealed": "([^"]+)"/.exec(secretBefore) ?? [];
    expect(sealed).not.toBe('');
    expect(readFileSync(join(at.home, 'secrets.json'), 'utf8')).not.toContain(sealed);
  });

  test('a key in the file of the home is replaced there', async () => {
    const at = await newHome();
    const env = { HOLDFAST_HOME: at.home, HOLDFAST_NEW_MASTER_KEY: NEW.toString('base64') };
    await killedAfter(at.home, 'secrets-prepared');
    rmSync(join(at.home, 'master.key'), { force: true });
    expect(await runCliHere(['secrets', 'rekey', '--master'], { env })).toMatchObject({
      code: 1,
      err: expect.stringMatching(/There is no master key/),
    });
    await killedAfter(at.home, 'key-file-written');
    expect(readFileSync(join(at.home, 'master.key'), 'utf8').trim()).toBe(NEW.toString('base64'));
    expect((await runCliHere(['calls', 'list'], { env })).out).toContain('a-g1');
  });

  test('is refused without a new key, with a malformed one, with a wrong old one, and while the home is in use', async () => {
    const at = await newHome();
    const run = (env: Record<string, string>) =>
      runCliHere(['secrets', 'rekey', '--master'], { env: { HOLDFAST_HOME: at.home, ...env } });
    const old = { HOLDFAST_MASTER_KEY: OLD.toString('base64') };
    const next = { HOLDFAST_NEW_MASTER_KEY: NEW.toString('base64') };
    expect((await run(old)).err).toMatch(/Put the new master key into HOLDFAST_NEW_MASTER_KEY/);
    expect((await run({ ...old, HOLDFAST_NEW_MASTER_KEY: 'short' })).err).toMatch(/base64 of 32 bytes/);
    const wrong = { HOLDFAST_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') };
    expect((await run({ ...wrong, ...next })).err).toMatch(/opens with neither master key, so nothing was changed/);
    const lock = lockHome(at.home);
    expect((await run({ ...old, ...next })).err).toMatch(/is in use by/);
    lock.release();
    expect(await opensWith(at, OLD)).toBe(true);
  });

  test('a process that still has the old key reads on, makes no key, and says what to do', async () => {
    const at = await newHome();
    const { ledger, payloads } = open(at.home, OLD);
    onTestFinished(() => ledger.close());
    await payloads.get(at.ref);
    expect(await rekey(at.home, OLD)).toMatchObject({ code: 0 });
    expect(await payloads.get(at.ref)).toEqual(bytes('the question'));
    await expect(payloads.put('new-tenant', bytes('x'), START + HOUR_MS)).rejects.toThrow(
      /The ledger has a new master key.*restart/,
    );
    expect(await opensWith(at, NEW)).toBe(true);
  });
});

describe('holdfast secrets rekey', () => {
  test('says how much it did, and the old data keys are gone', async () => {
    const at = await newHome();
    const env = { HOLDFAST_HOME: at.home, HOLDFAST_MASTER_KEY: OLD.toString('base64') };
    const { out } = await runCliHere(['secrets', 'rekey', '--json'], { env });
    expect(JSON.parse(out)).toEqual({ retired: 1, resealed: 1, unreadable: 0, destroyed: 1 });
    expect(await opensWith(at, OLD)).toBe(true);
    expect((await runCliHere(['audit', 'list'], { env })).out).toMatch(/local +data-keys\.rotate/);
  });
});
