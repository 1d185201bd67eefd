/** Order statistics of measured values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export async function timed<T>(run: () => Promise<T>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

/** Runs `count` of them, at most `width` at once, then what is left to do; gives how many ended a second over all of it. */
export async function throughput(
  count: number,
  width: number,
  run: () => Promise<unknown>,
  rest: () => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  let left = count;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (left > 0) {
        left -= 1;
        await run();
      }
    }),
  );
  await rest();
  return (count / (performance.now() - startedAt)) * 1000;
}
