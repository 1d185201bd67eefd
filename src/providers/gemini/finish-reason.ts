/** Gemini's finish reasons. It says STOP after function calls too. */
import type { FinishReason } from '../../core/chat.ts';

const FILTERED: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
]);

export function readGeminiFinishReason(raw: string | null, hasToolCalls: boolean): FinishReason {
  if (raw === 'MAX_TOKENS') return 'length';
  if (raw !== null && FILTERED.has(raw)) return 'content_filter';
  return hasToolCalls ? 'tool_calls' : 'stop';
}
