/**
 * Providers echo keys ("Incorrect API key provided: sk-...") and prompts in their error messages. What is kept of such a
 * message enters history, ledger and logs, so it is masked and cut here, once.
 */
const MAX_LENGTH = 500;
/** Bounds the work of the patterns; a key cut in half at this length is still long enough for its pattern. */
const MAX_SCANNED = 4000;
const MASK = '[redacted]';

const KEY_PATTERNS: readonly RegExp[] = [
  /\bBearer\s+[^\s"',;]+/gi,
  /\b(?:sk|pk|rk)-[\w*.-]{3,}/g,
  /\b(?:xai|gsk|pplx|hf|r8|key|AQ)[-_.][A-Za-z0-9_*-]{12,}/g,
  /\bAIza[\w*-]{3,}/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{3,}/g,
  /\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?/g,
  /\bgh[pousr]_[A-Za-z0-9]{12,}/g,
];
const NAMED_SECRET = /\b(api[-_ ]?key|x-api-key|access[-_]token|secret|password)(["']?\s*[:=]\s*["']?)[^\s"',;}]+/gi;

/** At most 500 characters, with anything that looks like a key replaced by `[redacted]`. */
export function redactProviderMessage(message: string): string {
  let text = message.slice(0, MAX_SCANNED);
  for (const pattern of KEY_PATTERNS) text = text.replace(pattern, MASK);
  text = text.replace(NAMED_SECRET, `$1$2${MASK}`).toWellFormed();
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH - 1).toWellFormed()}…`;
}
