/** Credentials in text. Patterns are anchored on fixed prefixes and bounded, so that they stay linear on any input. */
export interface Detector {
  name: string;
  pattern: RegExp;
  /** Further proof that a match is what it looks like. */
  accept?: (match: string) => boolean;
}

export const secretDetectors: readonly Detector[] = [
  { name: 'anthropic-key', pattern: /\bsk-ant-[A-Za-z0-9_-]{20,200}/g },
  { name: 'openai-key', pattern: /\bsk-(?!ant-)(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,200}/g, accept: hasDigitAndLetter },
  { name: 'aws-access-key', pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { name: 'google-api-key', pattern: /\bAIza[0-9A-Za-z_-]{35}/g },
  { name: 'google-oauth-token', pattern: /\bya29\.[0-9A-Za-z_-]{20,500}/g },
  { name: 'github-token', pattern: /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g },
  { name: 'slack-token', pattern: /\bxox[abprs]-[A-Za-z0-9-]{10,200}/g },
  { name: 'holdfast-key', pattern: /\bhk_[A-Za-z0-9_-]{43}/g },
  { name: 'private-key', pattern: /-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----/g },
  // Without the lookbehind each of many `-eyJ` would be scanned to the far end of its segment.
  {
    name: 'jwt',
    pattern: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}/g,
  },
];

function hasDigitAndLetter(match: string): boolean {
  return /\d/.test(match) && /[A-Za-z]/.test(match.slice(3));
}
