/** The demo's last word: its calls, and where their story can be read. */
import { styleText } from 'node:util';
import type { CallDescription } from '../../client/index.ts';
import { costText, outcomeText, tookText } from '../format.ts';
import { tableLines } from '../table.ts';

/** A row for each call, and under it the link to its workflow. */
export function summaryLines(calls: readonly CallDescription[], uiUrl: string): string[] {
  const rows = calls.map((call) => [
    call.id,
    call.model,
    outcomeText(call),
    String(call.attempts.length),
    costText(call.costNanoUsd, call.pricing),
    tookText(call),
  ]);
  const [headings = '', ...lines] = tableLines(['CALL', 'MODEL', 'OUTCOME', 'ATTEMPTS', 'COST', 'DURATION'], rows);
  return [
    headings,
    ...lines.flatMap((line, index) => [line, styleText('dim', `  ${workflowUrl(uiUrl, calls[index]?.id ?? '')}`)]),
  ];
}

export function workflowUrl(uiUrl: string, callId: string): string {
  return `${uiUrl}/namespaces/default/workflows/${callId}`;
}
