/**
 * How a simulated model behaves, read from its name: `sim-small`, `sim-slow`, or a name with options such as
 * `sim-small+delay=500+status=429+times=1+retryAfter=300`.
 */
export interface Behaviour {
  /** Milliseconds before the first byte of the answer. */
  delay: number;
  /** Milliseconds between the events of a stream. */
  pace: number;
  /** Fails with this status instead of answering; 0 answers. */
  status: number;
  /** How many requests of the same content fail, or are disturbed, before one is answered. */
  times: number;
  /** `retry-after-ms` of failures; 0 sends none. */
  retryAfter: number;
  /** Closes the socket after this many events of a stream; 0 never does. */
  cut: number;
  /** Falls silent after this many events of the stream of a response made in the background; 0 never does. */
  stall: number;
  /** Sends what is no JSON after this many events of such a stream; 0 never does. */
  garbles: number;
  /** Words of the answer. */
  words: number;
  /** Words of reasoning before the answer. */
  reasoning: number;
  /** Milliseconds before a response made in the background gets its id. */
  start: number;
  /** Milliseconds for which a response made in the background is known; 0 for ever. */
  keeps: number;
  /** 1: a response made in the background ends as failed. */
  fails: number;
  /**
   * Waits until the simulator is told to go on, a response made in the background after this many deltas, another stream
   * after this many events, an answer in one piece before it is sent; 0 never does.
   */
  holds: number;
  /** 1: the stream of a response made in the background cannot be asked for again. */
  once: number;
}

const CALM: Behaviour = {
  delay: 0,
  pace: 0,
  status: 0,
  times: Number.MAX_SAFE_INTEGER,
  retryAfter: 0,
  cut: 0,
  stall: 0,
  garbles: 0,
  words: 24,
  reasoning: 0,
  start: 0,
  keeps: 0,
  fails: 0,
  holds: 0,
  once: 0,
};

const NAMED: Readonly<Record<string, Partial<Behaviour>>> = {
  'sim-small': {},
  'sim-paced': { pace: 30 },
  'sim-slow': { delay: 8_000 },
  'sim-busy': { status: 429, times: 1, retryAfter: 400 },
  'sim-down': { status: 503 },
  'sim-reasoning': { reasoning: 12 },
};

/** @throws RangeError on an option that does not exist. */
export function behaviourOf(model: string): Behaviour {
  const [name = '', ...options] = model.split('+');
  const behaviour: Behaviour = { ...CALM, ...NAMED[name] };
  for (const option of options) {
    const [key = '', value = ''] = option.split('=');
    if (!Object.hasOwn(CALM, key) || !/^\d{1,9}$/.test(value))
      throw new RangeError(`no such simulator option: ${option}`);
    behaviour[key as keyof Behaviour] = Number(value);
  }
  return behaviour;
}
