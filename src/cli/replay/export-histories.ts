/** Takes histories out of a running system: each is rewritten, replayed, and only then written. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { HoldfastError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import { createHistoryCodec, type HistoryCodecOptions } from '../../temporal/history/history-codec.ts';
import { workflowBundle } from '../../workers/bundle.ts';
import { decodeHistory } from './decode-history.ts';
import { fetchHistory, findWorkflows, type FoundWorkflow } from './find-workflows.ts';
import { createPlaceholders, type Hide } from './placeholders.ts';
import { readHistory, type RecordedHistory } from './recorded-history.ts';
import { replayHistories } from './replay-histories.ts';
import { rewriteHistory } from './rewrite-history.ts';
import { writeNewFile } from './write-new-file.ts';

export interface ExportOptions {
  /** Temporal's list filter, such as `HoldfastOutcome = 'failed'`. */
  query: string;
  folder: string;
  limit: number;
  /** The keys of sealed payloads. */
  findKey: HistoryCodecOptions['find'];
}

export interface Unwritten {
  /** As it is in the system, so that it can be looked up there. */
  workflowId: string;
  runId: string;
  workflowType: string;
  reason: string;
}

export interface ExportReport {
  folder: string;
  written: { file: string; workflowType: string; events: number }[];
  /** What matched and is not in the folder. */
  unwritten: Unwritten[];
  /** More workflows match than `limit`. */
  isCut: boolean;
}

interface Exported extends RecordedHistory {
  found: FoundWorkflow;
}

/** @throws HoldfastError `invalid_request` for a bad query, `not_found` when nothing matches, `engine_unavailable`. */
export async function exportHistories(
  client: Client,
  { query, folder, limit, findKey }: ExportOptions,
): Promise<ExportReport> {
  const codec = createHistoryCodec({ namespace: client.options.namespace, sealer: null, find: findKey });
  const { found, isCut } = await findWorkflows(client, query, limit);
  if (found.length === 0) throw new HoldfastError('not_found', `No workflow matches the query "${query}".`);
  makeFolder(folder);
  const report: ExportReport = { folder, written: [], unwritten: [], isCut };
  const leaveOut = ({ workflowId, runId, type }: FoundWorkflow, reason: string) =>
    report.unwritten.push({ workflowId, runId, workflowType: type, reason });
  const exported = rewritten(client, codec, absentFrom(folder, found, leaveOut), leaveOut);
  for await (const { recorded, divergence } of replayHistories(await workflowBundle(), exported)) {
    const { workflowType, events, history } = recorded;
    const file = fileOf(recorded.found);
    if (divergence) leaveOut(recorded.found, `it does not replay on this build: ${divergence.reason}`);
    else if (!writeNewFile(join(folder, file), historyToJSON(history))) leaveOut(recorded.found, alreadyThere(file));
    else report.written.push({ file, workflowType, events: events.length });
  }
  return report;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HoldfastError('invalid_request', `The histories cannot go to ${folder}: ${reason}.`, { param: 'out' });
  }
}

type LeaveOut = (found: FoundWorkflow, reason: string) => void;

/** Run ids are drawn by the server: they tell nothing, and a second export finds what the first one wrote. */
function fileOf({ type, runId }: FoundWorkflow): string {
  return `${/^\w{1,64}$/.test(type) ? type : 'workflow'}-${runId}.json`;
}

function alreadyThere(file: string): string {
  return `${file} is there already; remove it or choose another folder`;
}

function* absentFrom(folder: string, found: readonly FoundWorkflow[], leaveOut: LeaveOut): Generator<FoundWorkflow> {
  for (const one of found) {
    if (existsSync(join(folder, fileOf(one)))) leaveOut(one, alreadyThere(fileOf(one)));
    else yield one;
  }
}

async function* rewritten(
  client: Client,
  codec: PayloadCodec,
  found: Iterable<FoundWorkflow>,
  leaveOut: LeaveOut,
): AsyncGenerator<Exported> {
  const hide: Hide = createPlaceholders();
  for (const one of found) {
    const source = `${one.type} ${one.workflowId}`;
    try {
      const history = JSON.parse(await fetchHistory(client, one)) as Json;
      const recorded = readHistory(JSON.stringify(await decodeHistory(history, codec)), source);
      yield { ...readHistory(JSON.stringify(rewriteHistory(recorded, hide)), source), found: one };
    } catch (error) {
      // The next history would fail in the same way when the server is away.
      if (!HoldfastError.is(error) || error.code === 'engine_unavailable') throw error;
      leaveOut(one, error.message);
    }
  }
}
