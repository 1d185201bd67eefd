import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseSettings } from '../config/load.ts';
import { providerAdapters } from '../providers/registry.ts';
import { startEmbedded } from './embedded.ts';

const CONFIG = `
providers: { sim: { kind: simulated } }
stores: { ledger: postgres, postgresUrl: env:DATABASE_URL }
`;

it("refuses a shared ledger on a home's own engine, where the calls of other nodes would look lost", async () => {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-shared-'));
  const env = { DATABASE_URL: 'postgres://u@127.0.0.1:1/db' };
  const settings = parseSettings(CONFIG, 'test', {
    env,
    adapters: providerAdapters,
  });
  await expect(startEmbedded({ home, settings, env, onProgress: () => undefined })).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('TEMPORAL_ADDRESS') as string,
  });
  await rm(home, { recursive: true });
});
