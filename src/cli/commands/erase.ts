/** `holdfast erase`: what calls of a tenant or a subject said is destroyed for good; what they cost stays. */
import { confirm, isCancel } from '@clack/prompts';
import type { Command } from 'commander';
import { HoldfastError } from '../../core/errors.ts';
import type { Erasure } from '../../core/ports/ledger/upkeep.ts';
import { eraseSchema } from '../../gateway/administration.ts';
import { checkInput } from '../access/check-input.ts';
import { withAccess } from '../access/with-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';

interface EraseFlags {
  tenant?: string;
  subject?: string;
  yes?: boolean;
  json?: boolean;
}

export function registerErase(program: Command, context: CliContext): void {
  program
    .command('erase')
    .description("destroy the data keys of a tenant or of a subject (the tag `user`), and with them its calls' content")
    .option('--tenant <name>', 'all calls of this tenant; with --subject, only the subject in it')
    .option('--subject <value>', 'calls with this value of the tag `user`; of all tenants unless one is named')
    .option('--yes', 'do not ask')
    .option(...JSON_FLAG)
    .action(async ({ tenant, subject, yes = false, json = false }: EraseFlags) => {
      // An empty value, such as a script's unset variable, must not widen what is erased.
      const request = checkInput(eraseSchema, { tenant, subject }, 'erase');
      if (!yes) {
        const isSubject = subject !== undefined;
        await ask(context, isSubject ? 'the content of this subject' : `all content of the tenant ${String(tenant)}`);
      }
      const erasure = await withAccess(context.env, (access) => access.erase(request));
      show(context, { json }, erasure, () => linesOf(erasure));
    });
}

async function ask({ stdin }: CliContext, what: string): Promise<void> {
  if (!stdin.isTTY) {
    throw new HoldfastError(
      'invalid_request',
      'Erasing cannot be undone, and there is no terminal to ask on: add --yes.',
    );
  }
  const message = `Destroy ${what}? It cannot be undone.`;
  const answer = await confirm({ message, initialValue: false, input: stdin, output: process.stderr });
  if (isCancel(answer) || !answer) throw new HoldfastError('cancelled', 'Nothing was erased.');
}

const REMAINS: Readonly<Record<Erasure['oldBytes'], string>> = {
  overwritten: 'the ledger file holds nothing of it any more; backups made before still do',
  'until-checkpoint':
    'another process reads the ledger, so its log still holds old bytes: run this again when the node is idle',
  'until-vacuum':
    'the keys are destroyed; old row versions stay with the server until VACUUM, its log, and your backups',
};

function linesOf({ keys, calls, payloads, isDone, oldBytes }: Erasure): string[] {
  return [
    `destroyed ${String(keys)} data keys and deleted ${String(payloads)} payloads of ${String(calls)} calls; their costs stay`,
    ...(isDone ? [] : ['some rows are in use: the next sweep removes what is left in them, which nobody can read']),
    REMAINS[oldBytes],
  ];
}
