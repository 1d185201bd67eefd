import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { CampaignState } from './campaign-state.ts';
import { table, type Row } from './report.ts';

/** Of a run that is worth publishing. */
const ENOUGH_KILLS = 500;

/** Replaces the results in `bench/CORRECTNESS.md`. */
export function writeCorrectness({ seed, shape, reached, tally }: CampaignState, rows: readonly Row[]): void {
  const path = new URL('../../bench/CORRECTNESS.md', import.meta.url);
  const page = readFileSync(path, 'utf8');
  const command = `npm run test:chaos -- --rounds ${String(reached)} --seed ${seed} --shape ${shape}`;
  const machine = `${String(cpus().length)} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
  const standing =
    tally.kills < ENOUGH_KILLS ? ` A preview: a published run has at least ${String(ENOUGH_KILLS)}.` : '';
  const head = `\`${command}\`: ${String(reached)} rounds, ${String(tally.kills)} SIGKILLs.${standing}`;
  const text = `${head}\n\n${table(rows)}\n\nMeasured on ${machine}.\n`;
  writeFileSync(
    path,
    page.replace(
      new RegExp(`(<!-- ${shape} -->\\n)[\\s\\S]*?(\\n<!-- end -->)`),
      (_all, before: string, after: string) => {
        return `${before}\n${text}${after}`;
      },
    ),
  );
}
