/** How long something took, without the time in which this process was given no processor. */
const TICK_MS = 20;

/** Milliseconds, at most what a clock on the wall would say: a stall counts as one tick, however long it is. */
export async function awakeMsOf(work: Promise<unknown>): Promise<number> {
  let ticks = 0;
  const clock = setInterval(() => (ticks += 1), TICK_MS);
  try {
    await work;
  } finally {
    clearInterval(clock);
  }
  return ticks * TICK_MS;
}
