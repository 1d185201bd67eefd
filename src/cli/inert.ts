/** Control characters, other ends of lines, and marks that turn the direction of what follows. */
const ACTIVE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text for a terminal. Names of models and tags are the callers' own: they must not steer the screen of who looks at them, nor
 * forge a line.
 */
export function inert(text: string): string {
  return text.replace(ACTIVE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
