/** The time, injected. */
export type NowMs = () => number;

export function unixSeconds(now: NowMs): number {
  return Math.floor(now() / 1000);
}
