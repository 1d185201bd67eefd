/** The orders that this process is carrying out. An engine that lost contact sends an order twice; both get one result. */
export interface LiveAttempts<T> {
  readonly size: number;
  joinOrStart(id: string, signal: AbortSignal, start: (shared: AbortSignal) => Promise<T>): Promise<T>;
}

export function createLiveAttempts<T>(): LiveAttempts<T> {
  const live = new Map<string, { result: Promise<T>; controller: AbortController }>();
  return {
    get size() {
      return live.size;
    },
    async joinOrStart(id, signal, start) {
      let entry = live.get(id);
      if (!entry) {
        const controller = new AbortController();
        entry = { controller, result: start(controller.signal).finally(() => live.delete(id)) };
        live.set(id, entry);
      }
      const { controller, result } = entry;
      const abort = () => controller.abort();
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      try {
        return await result;
      } finally {
        signal.removeEventListener('abort', abort);
      }
    },
  };
}
