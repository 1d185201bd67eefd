/** The commands and their flags. */
import { Command } from 'commander';
import { packageVersion } from '../gateway/node.ts';
import { registerAudit } from './commands/audit.ts';
import { registerBackup } from './commands/backup.ts';
import { registerCall } from './commands/call.ts';
import { registerCalls } from './commands/calls.ts';
import { registerConfig } from './commands/config.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerErase } from './commands/erase.ts';
import { registerKeys } from './commands/keys.ts';
import { registerLedger } from './commands/ledger.ts';
import { registerListings } from './commands/listings.ts';
import { registerReplay } from './commands/replay.ts';
import { registerRestore } from './commands/restore.ts';
import { registerSecrets } from './commands/secrets.ts';
import { registerUp } from './commands/up.ts';
import type { CliContext } from './context.ts';

export function createProgram(context: CliContext): Command {
  const program = new Command('holdfast')
    .description('Durable orchestration for LLM calls.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ writeOut: context.write, writeErr: (text) => context.note(text.trimEnd()) });
  for (const register of [
    registerUp,
    registerDemo,
    registerCall,
    registerCalls,
    registerListings,
    registerKeys,
    registerSecrets,
    registerErase,
    registerAudit,
    registerBackup,
    registerRestore,
    registerLedger,
    registerReplay,
    registerConfig,
    registerDoctor,
  ]) {
    register(program, context);
  }
  return program;
}
