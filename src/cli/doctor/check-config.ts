/** The configuration, and the secrets that it refers to. */
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { loadSettings } from '../../config/load.ts';
import type { Settings } from '../../core/settings.ts';
import { parseCredentialReference } from '../../credentials/credential-reference.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { openHomeStores } from '../access/home-stores.ts';
import { errorText, type DoctorInput, type Finding } from './check.ts';

export function checkConfig({ env }: Pick<DoctorInput, 'env'>): { finding: Finding; settings: Settings | null } {
  const name = 'config';
  try {
    const settings = loadSettings({ env, adapters: providerAdapters });
    const message = `${settings.origin}: ${String(settings.providers.size)} providers, ${String(settings.models.size)} models`;
    return { finding: { name, status: 'ok', message }, settings };
  } catch (error) {
    return {
      finding: {
        name,
        status: 'fail',
        message: errorText(error),
        remedy: 'Correct it; `holdfast config check` checks again.',
      },
      settings: null,
    };
  }
}

/** Environment variables were looked for with the configuration; this looks for the named secrets. */
export async function checkSecrets({ home, env }: DoctorInput, settings: Settings): Promise<Finding> {
  const name = 'secrets';
  const { ledgerStore, hotStore } = settings;
  const references = [
    ...[...settings.providers.values()].map(({ apiKey }) => apiKey),
    ledgerStore.kind === 'postgres' ? ledgerStore.urlReference : null,
    hotStore.kind === 'redis' ? hotStore.urlReference : null,
  ];
  const wanted = references.flatMap((text) => {
    const reference = text === null ? null : parseCredentialReference(text);
    return reference?.source === 'secret' ? [reference.name] : [];
  });
  if (wanted.length === 0) return { name, status: 'ok', message: 'the configuration refers to none' };
  try {
    const stored = existsSync(join(home, 'secrets.json')) ? await openHomeStores(home, env).secrets().list() : [];
    const missing = wanted.filter((secret) => !stored.some((known) => known.name === secret));
    if (missing.length === 0) return { name, status: 'ok', message: `${wanted.join(', ')}: all stored` };
    return {
      name,
      status: 'fail',
      message: `missing: ${missing.join(', ')}`,
      remedy: `Run: holdfast secrets set ${missing[0] ?? ''}`,
    };
  } catch (error) {
    return {
      name,
      status: 'fail',
      message: errorText(error),
      remedy: 'Put the right secrets.json and master key back.',
    };
  }
}
