/** `holdfast replay export|check`: recorded decisions against the workflow code of this build. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { installRuntime } from '../../temporal/runtime.ts';
import { openHomeStores } from '../access/home-stores.ts';
import { homeOf } from '../home.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { parseLimit } from '../parse-options.ts';
import { checkFolder, type CheckedFile } from '../replay/check-folder.ts';
import { exportHistories, type ExportReport } from '../replay/export-histories.ts';
import { withTemporal } from '../replay/with-temporal.ts';
import { tableLines } from '../table.ts';

interface ExportFlags {
  query: string;
  out: string;
  limit: number;
  json?: boolean;
}

export function registerReplay(program: Command, context: CliContext): void {
  const replay = program.command('replay').description('recorded histories against the workflow code of this build');
  replay
    .command('export')
    .description('write histories of the running system, without their content; each is replayed before it is written')
    .requiredOption('--query <query>', 'a list filter of Temporal, such as "HoldfastOutcome = \'failed\'"')
    .requiredOption('--out <folder>', 'where they go; nothing in it is overwritten')
    .option('--limit <n>', 'how many at most, the latest first; up to 1000', parseLimit, 100)
    .option(...JSON_FLAG)
    .action(async ({ query, out, limit, json = false }: ExportFlags) => {
      quiet();
      const folder = resolve(out);
      const stores = openHomeStores(homeOf(context.env), context.env);
      const findKey = (id: string) => stores.findHistoryKey(id);
      const report = await withTemporal(context.env, (client) =>
        exportHistories(client, { query, folder, limit, findKey }),
      ).finally(() => stores.close());
      show(context, { json }, report, () => exportLines(report));
      for (const { workflowType, workflowId, runId, reason } of report.unwritten)
        context.note(`not written: ${workflowType} ${workflowId} (run ${runId}): ${reason}`);
      if (report.isCut)
        context.note(`more than ${String(limit)} match: raise --limit (at most 1000) or narrow the query`);
      if (report.unwritten.length > 0) context.fail();
    });
  replay
    .command('check <folder>')
    .description('replay every history of a folder, without a server; exit 1 when one does not')
    .option(...JSON_FLAG)
    .action(async (given: string, flags: { json?: boolean }) => {
      quiet();
      const files = await checkFolder(resolve(given));
      const ok = files.every(({ result }) => result === 'replays');
      show(context, flags, { ok, files }, () => checkLines(files));
      if (!ok) context.fail();
    });
}

/** What the replayer logs on the way is in the result. */
function quiet(): void {
  installRuntime(() => undefined);
}

function exportLines({ folder, written }: ExportReport): string[] {
  const rows = written.map(({ file, workflowType, events }) => [file, workflowType, String(events)]);
  return [...tableLines(['FILE', 'WORKFLOW', 'EVENTS'], rows), `${String(written.length)} written to ${folder}`];
}

function checkLines(files: readonly CheckedFile[]): string[] {
  const rows = files.map(({ file, workflowType, events, result }) => [
    file,
    workflowType ?? '-',
    events === null ? '-' : String(events),
    result,
  ]);
  const failed = files.filter(({ result }) => result !== 'replays');
  return [
    ...tableLines(['FILE', 'WORKFLOW', 'EVENTS', 'RESULT'], rows),
    ...failed.map(failureLine),
    `${String(files.length - failed.length)} of ${String(files.length)} replay`,
  ];
}

function failureLine({ file, workflowType, workflowId, eventId, reason }: CheckedFile): string {
  if (workflowId === null) return reason ?? file;
  const at = eventId === null ? '' : ` at event ${String(eventId)}`;
  return `${file}: ${workflowType ?? ''} ${workflowId}${at}: ${reason ?? ''}`;
}
