/** `holdfast calls list|show|cancel`. */
import { Option, type Command } from 'commander';
import { createClient, type CallDescription } from '../../client/index.ts';
import type { AttemptView, CallState } from '../../core/ports/ledger/views.ts';
import { gatewayOf } from '../access/open-access.ts';
import { withAccess } from '../access/with-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { costText, outcomeText, tookText } from '../format.ts';
import { parseLimit } from '../parse-options.ts';
import { fieldLines, tableLines } from '../table.ts';

interface ListFlags {
  limit: number;
  tenant?: string;
  state?: CallState;
  after?: string;
  json?: boolean;
}

export function registerCalls(program: Command, context: CliContext): void {
  const calls = program.command('calls').description('look at calls, cancel them');
  calls
    .command('list')
    .description('the newest calls')
    .option('--limit <n>', 'how many (default 20)', parseLimit, 20)
    .option('--tenant <name>', 'of one tenant')
    .addOption(new Option('--state <state>', 'in one state').choices(['accepted', 'admitted', 'running', 'ended']))
    .option('--after <cursor>', 'the next page: `next` of the one before')
    .option(...JSON_FLAG)
    .action(async ({ json = false, ...filter }: ListFlags) => {
      const page = await withAccess(context.env, (access) => access.listCalls(filter));
      show(context, { json }, page, () => [
        ...callTable(page.calls),
        ...(page.next === null ? [] : [`more: --after ${page.next}`]),
      ]);
    });
  calls
    .command('show <id>')
    .description('one call with its attempts')
    .option(...JSON_FLAG)
    .action(async (id: string, flags: { json?: boolean }) => {
      const call = await withAccess(context.env, (access) => access.getCall(id));
      show(context, flags, call, () => [...callFields(call), '', ...attemptTable(call.attempts)]);
    });
  calls
    .command('cancel <id>')
    .description('cancel a call that runs; needs the running gateway')
    .option(...JSON_FLAG)
    .action(async (id: string, flags: { json?: boolean }) => {
      const call = await createClient(gatewayOf(context.env)).getCall(id).cancel();
      const said = call.state === 'ended' ? `${id} has ended: ${outcomeText(call)}` : `${id}: cancel requested`;
      show(context, flags, call, () => [said]);
    });
}

function callTable(calls: readonly CallDescription[]): string[] {
  const headings = ['CALL', 'CREATED', 'TENANT', 'MODEL', 'OUTCOME', 'ATTEMPTS', 'UNKNOWN', 'COST', 'DURATION'];
  const rows = calls.map((call) => [
    call.id,
    call.createdAt,
    call.tenant,
    call.model,
    outcomeText(call),
    String(call.attempts.length),
    unknownText(call.attempts),
    costText(call.costNanoUsd, call.pricing),
    tookText(call),
  ]);
  return tableLines(headings, rows);
}

/** Attempts that left and whose outcome nobody knows (yet): each may have been paid for. */
function unknownText(attempts: readonly AttemptView[]): string {
  const count = attempts.filter(({ state }) => state === 'unknown' || state === 'abandoned').length;
  return count === 0 ? '-' : String(count);
}

function callFields(call: CallDescription): string[] {
  const tags = Object.entries(call.tags).map(([name, value]) => `${name}=${value}`);
  return fieldLines([
    ['call', call.id],
    ['kind', call.kind],
    ['tenant', call.tenant],
    ['key', call.key ?? '-'],
    ['model', call.model],
    ['outcome', outcomeText(call)],
    ...(call.error ? [['error', call.error.message] as const] : []),
    ['created', call.createdAt],
    ['duration', tookText(call)],
    ['cost', costText(call.costNanoUsd, call.pricing)],
    ['tags', tags.join(', ') || '-'],
    ...(call.erasedAt === undefined ? [] : [['content', `erased ${call.erasedAt}`] as const]),
  ]);
}

function attemptTable(attempts: readonly AttemptView[]): string[] {
  const headings = ['ATTEMPT', 'TARGET', 'CREDENTIAL', 'STATE', 'ERROR', 'FIRST TOKEN', 'DURATION', 'TOKENS', 'COST'];
  const rows = attempts.map((attempt) => [
    String(attempt.n),
    `${attempt.provider}/${attempt.model}`,
    attempt.credential ?? '-',
    attempt.state,
    attempt.errorCode ?? '-',
    attempt.firstTokenAt === undefined
      ? '-'
      : tookText({ createdAt: attempt.startedAt, endedAt: attempt.firstTokenAt }),
    tookText({ createdAt: attempt.startedAt, endedAt: attempt.endedAt ?? null }),
    attempt.usage === null ? '-' : tokensText(attempt.usage),
    costText(attempt.costNanoUsd, attempt.pricing),
  ]);
  return tableLines(headings, rows);
}

function tokensText({
  inputTokens,
  cacheReadTokens,
  cacheWriteTokens,
  outputTokens,
  reasoningTokens,
}: NonNullable<AttemptView['usage']>): string {
  return `${String(inputTokens + cacheReadTokens + cacheWriteTokens)} in, ${String(outputTokens + reasoningTokens)} out`;
}
