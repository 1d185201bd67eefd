/** `holdfast config check|schema`. */
import type { Command } from 'commander';
import { configJsonSchema, loadSettings } from '../../config/load.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { Settings } from '../../core/settings.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';

export function registerConfig(program: Command, context: CliContext): void {
  const config = program.command('config').description('the configuration');
  config
    .command('check [path]')
    .description('check the configuration that `up` would take, or the file at <path>; every problem at once')
    .option(...JSON_FLAG)
    .action((path: string | undefined, { json = false }: { json?: boolean }) => {
      const env = path === undefined ? context.env : { ...context.env, HOLDFAST_CONFIG: path };
      try {
        const settings = loadSettings({ env, adapters: providerAdapters });
        const found = summary(settings);
        show(context, { json }, { ok: true, ...found }, () => [
          `ok: ${found.origin}: ${String(found.providers)} providers, ${String(found.models)} models, ${String(found.tenants)} tenants, ${String(found.keys)} keys, ledger in ${found.ledger}`,
        ]);
      } catch (error) {
        if (!json || !HoldfastError.is(error)) throw error;
        show(context, { json }, { ok: false, problems: error.details?.['problems'] ?? [] }, () => []);
        context.fail();
      }
    });
  config
    .command('schema')
    .description('the JSON Schema of holdfast.yaml, for editors')
    .action(() => show(context, { json: true }, configJsonSchema(), () => []));
}

function summary({ origin, providers, models, tenants, keys, ledgerStore }: Settings) {
  return {
    origin,
    providers: providers.size,
    models: models.size,
    tenants: tenants.size,
    keys: keys.length,
    ledger: ledgerStore.kind,
  };
}
