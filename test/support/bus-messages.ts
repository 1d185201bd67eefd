/** Messages of the bus as tests publish them. */
import type { BusMessage } from '../../src/core/ports/stream-bus.ts';

export const attemptStart = (attempt: number): BusMessage => ({
  type: 'attempt-start',
  attempt,
  provider: 'sim',
  model: 'm',
  wire: 'openai-chat',
});
