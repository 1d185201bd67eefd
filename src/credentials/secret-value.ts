import { inspect } from 'node:util';

const SHOWN = '[secret]';

/** A secret that does not show itself: not as text, JSON, in logs or in a debugger's listing. Only `reveal()` gives it. */
export class SecretValue {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
