/** `holdfast audit list|verify`: who changed what, and whether the record is whole. */
import type { Command } from 'commander';
import { withAccess } from '../access/with-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { parseLimit, parseSequence } from '../parse-options.ts';
import { tableLines } from '../table.ts';

export function registerAudit(program: Command, context: CliContext): void {
  const audit = program.command('audit').description('the audit log');
  audit
    .command('list')
    .description('entries, oldest first')
    .option('--after <seq>', 'only those after this sequence number', parseSequence, 0)
    .option('--limit <n>', 'how many (default 100)', parseLimit, 100)
    .option(...JSON_FLAG)
    .action(async ({ after, limit, json = false }: { after: number; limit: number; json?: boolean }) => {
      const listed = await withAccess(context.env, (access) => access.audit(after, limit));
      show(context, { json }, listed, () =>
        tableLines(
          ['SEQ', 'AT', 'ACTOR', 'ACTION', 'SUBJECT', 'DETAILS'],
          listed.entries.map(({ seq, at, actor, action, subject, details }) => [
            String(seq),
            at,
            actor,
            action,
            subject,
            JSON.stringify(details),
          ]),
        ),
      );
    });
  audit
    .command('verify')
    .description('walk the hash chain; exit 1 when an entry was changed or is missing')
    .option(...JSON_FLAG)
    .action(async (flags: { json?: boolean }) => {
      const verdict = await withAccess(context.env, (access) => access.verifyAudit());
      const { entries, brokenAt } = verdict;
      show(context, flags, verdict, () => [
        brokenAt === null
          ? `${String(entries)} entries, the chain is whole`
          : `the chain is broken at entry ${String(brokenAt)}, after ${String(entries)} good ones: it was changed, or entries before it are gone`,
      ]);
      if (brokenAt !== null) context.fail();
    });
}
