/** What the mock provider says and how it misbehaves: functions of the seed, the nonce and the how-manieth request it is. */
import { createRandom, hash32 } from './random.ts';

export type Manner =
  | { kind: 'answer'; delayMs: number; paceMs: number }
  | { kind: 'rate-limited'; retryAfterMs: number }
  | { kind: 'failing' }
  /** Works, bills, and closes the connection without a byte. */
  | { kind: 'cut-before'; delayMs: number }
  /** Closes the connection in the middle of the answer, and bills what it sent. */
  | { kind: 'cut-within'; words: number }
  /** Falls silent in the middle of the answer and keeps the connection. */
  | { kind: 'stall'; words: number };

export interface Answer {
  words: string[];
  text: string;
  inputTokens: number;
  /** A token a word; another number for each request of a nonce. */
  outputTokens: number;
}

/** From this request of a nonce on the provider behaves, so that every call has an end. */
const WELL_BEHAVED_FROM = 4;
const VOCABULARY =
  'north south river stone paper light water green table music seven cloud horse bread glass field'.split(' ');

export function mannerOf(seed: string, nonce: string, nth: number): Manner {
  const random = createRandom(`${seed}/manner/${planned(nonce)}/${String(nth)}`);
  const answer: Manner = { kind: 'answer', delayMs: random.between(20, 800), paceMs: random.between(5, 60) };
  if (nth >= WELL_BEHAVED_FROM) return answer;
  return random.weighted<Manner>([
    [68, answer],
    [6, { kind: 'answer', delayMs: random.between(1_000, 3_000), paceMs: 150 }],
    [8, { kind: 'rate-limited', retryAfterMs: random.between(200, 900) }],
    [6, { kind: 'failing' }],
    [5, { kind: 'cut-before', delayMs: random.between(20, 500) }],
    [4, { kind: 'cut-within', words: random.between(1, 6) }],
    [3, { kind: 'stall', words: random.between(0, 6) }],
  ]);
}

/** An answer that is so late is near a timeout on a busy machine. */
const SLOW_MS = 1_000;

export function isDisturbing(manner: Manner): boolean {
  return manner.kind !== 'answer' || manner.delayMs >= SLOW_MS;
}

/** Whether the stream of a job of this nonce can be had once more: a provider may keep its events for less long than its answer. */
export function isStreamedAgain(nonce: string): boolean {
  return hash32(`streamed again/${planned(nonce)}`) % 6 !== 0;
}

export function answerOf(nonce: string, nth: number): Answer {
  const random = createRandom(`answer/${planned(nonce)}/${String(nth)}`);
  const outputTokens = 8 + (hash32(planned(nonce)) % 12) + nth;
  const words = Array.from({ length: outputTokens }, (_, index) =>
    index === 0 ? `${nonce}.${String(nth)}` : (VOCABULARY[random.between(0, VOCABULARY.length - 1)] ?? ''),
  );
  return { words, text: words.join(' '), inputTokens: 12 + (hash32(planned(nonce)) % 9), outputTokens };
}

/** The prompt in which the provider finds the nonce again. It has more tokens than the provider bills for it. */
export function promptOf(nonce: string): string {
  return `This is a call of the chaos campaign. Say some words about rivers, stones and light, please. [[${nonce}]]`;
}

export function nonceIn(prompt: string): string | null {
  return /\[\[([\w-]+)\]\]/.exec(prompt)?.[1] ?? null;
}

/** Without the session it was sent in, which is not in the plan. */
function planned(nonce: string): string {
  return nonce.slice(nonce.indexOf('-') + 1);
}
