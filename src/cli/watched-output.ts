/** Standard output, whose loss ends a command: what could not be shown, such as a key that stands nowhere else, is no success. */

/** Thrown by the next write after one that was lost. */
export class LostOutputError extends Error {}

export interface WatchedOutput {
  /** @throws LostOutputError */
  write(text: string): void;
  /** Waits for all that was written. Gives why some of it was lost, or null. */
  flushed(): Promise<NodeJS.ErrnoException | null>;
}

export function watchOutput(stream: NodeJS.WritableStream): WatchedOutput {
  let lost: NodeJS.ErrnoException | null = null;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    lost ??= error;
  });
  return {
    write(text) {
      if (lost) throw new LostOutputError();
      stream.write(text);
    },
    async flushed() {
      await new Promise((resolve) => stream.write('', resolve));
      return lost;
    },
  };
}
