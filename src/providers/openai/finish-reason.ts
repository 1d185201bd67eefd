/** OpenAI's finish reasons. Unknown words count as a plain stop; the word itself is kept beside it. */
import type { FinishReason } from '../../core/chat.ts';

export function readFinishReason(raw: string | null, hasToolCalls: boolean): FinishReason {
  switch (raw) {
    case 'length':
    case 'content_filter':
    case 'tool_calls':
      return raw;
    case 'function_call':
      return 'tool_calls';
    case null:
      return hasToolCalls ? 'tool_calls' : 'stop';
    default:
      return 'stop';
  }
}
