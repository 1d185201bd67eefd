/** How long something took, without the time in which the machine gave this process no processor. */
const TICK_MS = 20;

/**
 * Milliseconds, at most what a clock on the wall would say. A stall of the event loop counts as far as this thread itself
 * used the processor meanwhile: work that blocks it shows, a crowded machine does not.
 */
export async function awakeMsOf(work: Promise<unknown>): Promise<number> {
  let awake = 0;
  let lastTick = performance.now();
  let lastCpu = process.threadCpuUsage();
  const count = () => {
    const gap = performance.now() - lastTick;
    const { user, system } = process.threadCpuUsage(lastCpu);
    awake += Math.min(gap, Math.max(TICK_MS, (user + system) / 1_000));
    lastTick = performance.now();
    lastCpu = process.threadCpuUsage();
  };
  const clock = setInterval(count, TICK_MS);
  try {
    await work;
  } finally {
    clearInterval(clock);
    count();
  }
  return awake;
}
