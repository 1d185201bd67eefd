/** The recorded histories of the repository. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readHistory, type RecordedHistory } from '../../src/cli/replay/recorded-history.ts';

const ROOT = fileURLToPath(new URL('../replay/histories', import.meta.url));

export interface CorpusHistory extends RecordedHistory {
  /** Of the scenario. */
  name: string;
  text: string;
}

/** The releases that recorded, oldest first. */
export function corpusReleases(): string[] {
  return readdirSync(ROOT).sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
}

/** Of one release; without it, of the latest. */
export function corpusHistories(release = corpusReleases().at(-1) ?? ''): CorpusHistory[] {
  return readdirSync(`${ROOT}/${release}`).map((file) => {
    const text = readFileSync(`${ROOT}/${release}/${file}`, 'utf8');
    return { ...readHistory(text, file), name: file.replace('.json', ''), text };
  });
}

/** The text of a history with each payload's data beside it, readable. */
export function readableText(text: string): string {
  const payloads = [...text.matchAll(/"data": ?"([A-Za-z0-9+/=]+)"/g)].map(([, data = '']) =>
    Buffer.from(data, 'base64').toString(),
  );
  return [text, ...payloads].join('\n');
}
