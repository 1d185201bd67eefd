import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from './server/free-ports.ts';
import { connectNative, resolveTemporalTarget } from './connection.ts';

describe('the Temporal server that the environment names', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'holdfast-target-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const resolve = (env: NodeJS.ProcessEnv) => resolveTemporalTarget({ HOME: home, ...env });

  it('is the embedded one when nothing is said', () => {
    expect(resolve({})).toEqual({ kind: 'embedded' });
    expect(resolve({ TEMPORAL_ADDRESS: '', TEMPORAL_NAMESPACE: 'default' })).toEqual({ kind: 'embedded' });
  });

  it('is a cluster when there is an address, in namespace default unless told otherwise', () => {
    expect(resolve({ TEMPORAL_ADDRESS: 'temporal:7233' })).toMatchObject({
      kind: 'external',
      namespace: 'default',
      connectionOptions: { address: 'temporal:7233' },
    });
    expect(resolve({ TEMPORAL_ADDRESS: 'temporal:7233', TEMPORAL_NAMESPACE: 'llm' })).toMatchObject({
      namespace: 'llm',
    });
  });

  it('is reached by TLS when there is an API key or a certificate', () => {
    const address = { TEMPORAL_ADDRESS: 'temporal:7233' };
    expect(resolve({ ...address, TEMPORAL_API_KEY: 'key' })).toMatchObject({
      connectionOptions: { tls: true, apiKey: 'key' },
    });
    expect(
      resolve({ ...address, TEMPORAL_TLS_CLIENT_CERT_DATA: 'cert', TEMPORAL_TLS_CLIENT_KEY_DATA: 'key' }),
    ).toMatchObject({ connectionOptions: { tls: { clientCertPair: { crt: expect.anything() as unknown } } } });
  });

  it('comes from a profile only when the environment names it', () => {
    const file = join(home, 'temporal.toml');
    writeFileSync(file, '[profile.work]\naddress = "work:7233"\nnamespace = "team"\n');
    expect(resolve({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'work' })).toMatchObject({
      kind: 'external',
      namespace: 'team',
      connectionOptions: { address: 'work:7233' },
    });
  });

  it.each([
    ['a profile that is not there', { TEMPORAL_PROFILE: 'nowhere' }, /nowhere/],
    [
      'a certificate that is not there',
      { TEMPORAL_ADDRESS: 'a:1', TEMPORAL_TLS_CLIENT_CERT_PATH: '/none', TEMPORAL_TLS_CLIENT_KEY_PATH: '/none' },
      /\/none/,
    ],
    ['a namespace without an address', { TEMPORAL_NAMESPACE: 'llm' }, /TEMPORAL_NAMESPACE without TEMPORAL_ADDRESS/],
    ['an API key without an address', { TEMPORAL_API_KEY: 'key' }, /TEMPORAL_API_KEY without TEMPORAL_ADDRESS/],
  ])('is refused for %s', (_, env, message) => {
    expect(() => resolve(env)).toThrow(message);
  });

  it('is called unreachable, by its address, when nobody answers', async () => {
    const [port = 0] = await freePorts(1);
    await expect(connectNative({ address: `127.0.0.1:${port}` })).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    });
  });
});
