import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fastestMs } from '../../test/support/fastest.ts';
import { redactProviderMessage } from './redact-provider-message.ts';

test.each([
  'sk-proj-abcdEFGH1234567890abcd',
  'sk-ant-api03-abcdEFGH1234567890',
  'sk-abcde***********wxyz',
  'AIzaSyA1234567890abcdefghijklmnopqrstu',
  'AKIAIOSFODNN7EXAMPLE',
  'xai-abcdefghijklmnop1234',
  'gsk_abcdefghijklmnop1234',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  'ghp_abcdefghijklmnopqrstuvwxyz0123456789',
])('masks %s', (key) => {
  const message = redactProviderMessage(`Incorrect API key provided: ${key}. See docs.`);
  expect(message).not.toContain(key.slice(6));
  expect(message).toContain('[redacted]');
  expect(message).toContain('See docs.');
});

test('masks what follows Bearer or stands as a named secret', () => {
  expect(redactProviderMessage('header "Authorization: Bearer abc.def-123" refused')).toBe(
    'header "Authorization: [redacted]" refused',
  );
  expect(redactProviderMessage('{"api_key": "zzz", "a": 1}')).toBe('{"api_key": "[redacted]", "a": 1}');
});

test('leaves plain words alone', () => {
  const message = 'The risk-free model gpt-4o does not exist. You asked for task-list, max_tokens: 5.';
  expect(redactProviderMessage(message)).toBe(message);
});

test('never gives more than 500 characters, is well-formed, and cuts no emoji in half', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
      const message = redactProviderMessage(text);
      expect(message.length).toBeLessThanOrEqual(500);
      expect(message.isWellFormed()).toBe(true);
    }),
  );
  expect(redactProviderMessage('😀'.repeat(400))).toHaveLength(500);
});

test('a long hostile text is masked in no time', () => {
  const text = 'api_key' + ' '.repeat(1_000_000) + 'sk-'.repeat(100_000);
  expect(fastestMs(() => redactProviderMessage(text))).toBeLessThan(200);
});
