/** The phases of one exchange, each with its own patience: first byte of the answer, the gap between bytes, the whole. */
import type { CallTimeouts } from '../../core/call/types.ts';

type Phase = 'firstTokenMs' | 'idleMs' | 'totalMs';

/** Node's timers fire at once beyond this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface PhaseClock {
  /** Aborted by the caller's signal or by a phase that took too long. */
  readonly signal: AbortSignal;
  readonly expired: { phase: Phase; ms: number } | null;
  /** Bytes of the answer came. */
  received(): void;
  stop(): void;
}

export function createPhaseClock(outer: AbortSignal, timeouts: CallTimeouts): PhaseClock {
  const controller = new AbortController();
  let expired: PhaseClock['expired'] = null;
  let heard = 0;
  let isStopped = false;
  const expire = (phase: Phase) => () => {
    const heardBefore = heard;
    // After a stall of this process timers come before what has arrived meanwhile; that is to be read first.
    setImmediate(() => {
      if (isStopped || controller.signal.aborted || (phase !== 'totalMs' && heard > heardBefore)) return;
      expired = { phase, ms: timeouts[phase] };
      controller.abort();
    });
  };
  let timer = setTimeout(expire('firstTokenMs'), timeouts.firstTokenMs);
  const total = setTimeout(expire('totalMs'), Math.min(timeouts.totalMs, LONGEST_TIMER_MS));
  let isFirst = true;
  const onAbort = () => controller.abort();
  if (outer.aborted) onAbort();
  outer.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    received() {
      heard += 1;
      if (!isFirst) {
        timer.refresh();
        return;
      }
      isFirst = false;
      clearTimeout(timer);
      timer = setTimeout(expire('idleMs'), timeouts.idleMs);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      clearTimeout(total);
      outer.removeEventListener('abort', onAbort);
    },
  };
}
