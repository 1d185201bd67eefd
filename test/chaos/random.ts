/** A seeded stream of numbers (mulberry32): the same seed, the same plan, on every machine. */
export interface Random {
  /** From 0 up to, but not including, 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  chance(share: number): boolean;
  /** One of the choices, each as likely as its weight. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T;
}

export function createRandom(seed: string): Random {
  let state = hash32(seed);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (share) => next() < share,
    weighted(choices) {
      const [first, ...others] = choices;
      if (!first) throw new RangeError('there is nothing to choose from');
      let left = next() * choices.reduce((sum, [weight]) => sum + weight, 0) - first[0];
      let chosen = first[1];
      for (const [weight, choice] of others) {
        if (left < 0) break;
        chosen = choice;
        left -= weight;
      }
      return chosen;
    },
  };
}

/** FNV-1a, mixed once more so that texts that differ in their last letter give seeds that differ everywhere. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
