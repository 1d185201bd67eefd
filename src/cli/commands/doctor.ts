/** `holdfast doctor`: what is well, what is not, and what to do about it. */
import { styleText } from 'node:util';
import type { Command } from 'commander';
import { localHome } from '../access/open-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import type { Finding } from '../doctor/check.ts';
import { examine, type PortFlags } from '../doctor/examine.ts';
import { parsePort } from '../parse-options.ts';

const MARKS = {
  ok: styleText('green', 'ok  '),
  warn: styleText('yellow', 'warn'),
  fail: styleText('red', 'fail'),
} as const;

export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('look for what would keep `holdfast up` from working; exit 1 when something would')
    .option('--port <port>', 'the port that the gateway is to have', parsePort)
    .option('--temporal-port <port>', 'the port that the Temporal server is to have', parsePort)
    .option('--ui-port <port>', 'the port that the Temporal UI is to have', parsePort)
    .option(...JSON_FLAG)
    .action(async ({ json = false, ...ports }: PortFlags & { json?: boolean }) => {
      const home = localHome(context.env, 'The doctor looks');
      const checks = await examine({ home, env: context.env }, ports);
      const ok = checks.every(({ status }) => status !== 'fail');
      show(context, { json }, { ok, checks }, () => checks.flatMap(linesOf));
      if (!ok) context.fail();
    });
}

function linesOf({ name, status, message, remedy }: Finding): string[] {
  return [`${MARKS[status]}  ${name}: ${message}`, ...(remedy === undefined ? [] : [`      ${remedy}`])];
}
