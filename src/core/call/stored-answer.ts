import type { ConversionWarning, SseEvent } from '../chat.ts';
import type { ProviderAnswer } from '../ports/provider.ts';

/** An answer as the payload store keeps it, encrypted. */
export interface StoredAnswer {
  answer: ProviderAnswer;
  /** The frame log: each event of the provider's stream as it came. Null when the provider answered in one piece. */
  frames: SseEvent[] | null;
  /** What the request lost on its way to the provider's wire. */
  warnings: ConversionWarning[];
  /** The attempt was streamed and lost, and the provider gave its whole answer once more: the frames' places are gone. */
  isRecovered?: true;
}
