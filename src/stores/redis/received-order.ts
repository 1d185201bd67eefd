/** Sorts out what comes from the nodes that run a call: each message once, frames without a gap. */
import type { BusMessage } from '../../core/ports/stream-bus.ts';

export type Verdict = 'new' | 'known' | 'gap';

export function createReceivedOrder(): (message: BusMessage) => Verdict {
  let attempt = 0;
  let nextSeq = 0;
  let hasFailed = false;
  let hasEnded = false;
  return (message) => {
    if (hasEnded) return 'known';
    switch (message.type) {
      case 'attempt-start':
        if (message.attempt <= attempt) return 'known';
        attempt = message.attempt;
        nextSeq = 0;
        hasFailed = false;
        return 'new';
      case 'frame':
        if (message.attempt < attempt || (message.attempt === attempt && message.seq < nextSeq)) return 'known';
        if (message.attempt > attempt || message.seq > nextSeq) return 'gap';
        nextSeq += 1;
        return 'new';
      case 'attempt-failed':
        if (message.attempt < attempt || (message.attempt === attempt && hasFailed)) return 'known';
        if (message.attempt > attempt) return 'gap';
        hasFailed = true;
        return 'new';
      case 'answer':
        return 'known';
      case 'call-end':
        hasEnded = true;
        return 'new';
    }
  };
}
