/** A signal that aborts with others while it listens to them: one of them may outlive all calls, and must not keep them. */
export interface Stopping {
  readonly signal: AbortSignal;
  listenTo(...sources: (AbortSignal | undefined)[]): void;
  forget(): void;
}

export function createStopping(): Stopping {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const heard = new Set<AbortSignal>();
  return {
    signal: controller.signal,
    listenTo(...sources) {
      for (const source of sources) {
        if (source === undefined) continue;
        if (source.aborted) stop();
        source.addEventListener('abort', stop, { once: true });
        heard.add(source);
      }
    },
    forget() {
      for (const source of heard) source.removeEventListener('abort', stop);
    },
  };
}
