/** Replays every history of a folder on the workflow code of this build. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { hasCode } from '../../temporal/process/process-identity.ts';
import { workflowBundle } from '../../workers/bundle.ts';
import { readHistory, type RecordedHistory } from './recorded-history.ts';
import { replayHistories, type Divergence } from './replay-histories.ts';

export interface CheckedFile {
  /** Its name in the folder. */
  file: string;
  /** These three are null for a file that is no history. */
  workflowId: string | null;
  workflowType: string | null;
  events: number | null;
  result: 'replays' | 'unreadable' | Divergence['kind'];
  reason: string | null;
  /** The first event that does not fit. */
  eventId: number | null;
}

/** A history may have 50 MB; as JSON, some times that. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

interface FileHistory extends RecordedHistory {
  file: string;
}

/** In the order of the file names. @throws HoldfastError `not_found` when there is no such folder, or no JSON file in it. */
export async function checkFolder(folder: string): Promise<CheckedFile[]> {
  const files = jsonFiles(folder);
  const checked = new Map<string, CheckedFile>();
  const readable = readAll(folder, files, (file, reason) => {
    const nothing = { workflowId: null, workflowType: null, events: null, eventId: null };
    checked.set(file, { file, ...nothing, result: 'unreadable', reason });
  });
  for await (const { recorded, divergence } of replayHistories(await workflowBundle(), readable)) {
    const { file, workflowId, workflowType, events } = recorded;
    checked.set(file, {
      file,
      workflowId,
      workflowType,
      events: events.length,
      result: divergence?.kind ?? 'replays',
      reason: divergence?.reason ?? null,
      eventId: divergence?.eventId ?? null,
    });
  }
  return files.flatMap((file) => checked.get(file) ?? []);
}

function jsonFiles(folder: string): string[] {
  let files: string[];
  try {
    files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTDIR')) throw error;
    throw new HoldfastError('not_found', `There is no folder ${folder}.`);
  }
  if (files.length > 0) return files.sort();
  throw new HoldfastError(
    'not_found',
    `There is no history in ${folder}: nothing was checked. Export some with \`holdfast replay export\`.`,
  );
}

function* readAll(
  folder: string,
  files: readonly string[],
  onUnreadable: (file: string, reason: string) => void,
): Generator<FileHistory> {
  for (const file of files) {
    let history: RecordedHistory;
    try {
      history = readHistory(readText(join(folder, file), file), file);
    } catch (error) {
      if (!HoldfastError.is(error)) throw error;
      onUnreadable(file, error.message);
      continue;
    }
    yield { ...history, file };
  }
}

function readText(path: string, file: string): string {
  try {
    if (statSync(path).size <= MAX_FILE_BYTES) return readFileSync(path, 'utf8');
  } catch (error) {
    throw new HoldfastError(
      'invalid_request',
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  throw new HoldfastError('invalid_request', `${file} is too large for a workflow history.`);
}
