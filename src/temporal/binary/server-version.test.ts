import { describe, expect, it } from 'vitest';
import { isGoodVersion, parseCliVersion } from './server-version.ts';

describe('the version of a temporal binary', () => {
  it('is read from what the binary prints', () => {
    expect(parseCliVersion('temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)\n')).toBe('1.8.2');
    expect(parseCliVersion('tctl version 1.18.0')).toBeUndefined();
  });

  it.each(['1.5.1', '1.5.10', '1.10.0', '2.0.0', '0.0.0-DEV'])('%s is good', (version) => {
    expect(isGoodVersion(version)).toBe(true);
  });

  it.each(['1.5.0', '1.4.9', '0.13.2'])('%s is too old', (version) => {
    expect(isGoodVersion(version)).toBe(false);
  });
});
