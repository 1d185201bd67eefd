import { expect, test } from 'vitest';
import { createPlaceholders } from './placeholders.ts';

const hide = createPlaceholders();

test('the same text has the same stand-in in one export, and another in the next', () => {
  expect(hide('acme')).toBe(hide('acme'));
  expect(hide('acme')).not.toBe(hide('acme2'));
  expect(createPlaceholders()('acme')).not.toBe(hide('acme'));
});

test.each([
  ['acme corp\nsecret', /^hidden-[\da-f]{20}$/],
  ['call_a1Q4OMcaqR-B0PH2X4Zhm7Nq', /^call_[\w-]{24}$/],
  ['p_ltZj5x1FHFiO7mNveZo0Itb-MeTh19Q23yziOG9Y0vY', /^p_[\w-]{43}$/],
  ['dec_e02e565f-24cf-460d-a453-26186ab67e5a', /^dec_[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/],
  ['dd73af57-109f-40a5-9692-6d2bff17429b', /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/],
  ['call_me maybe, some time', /^hidden-/],
])('%j keeps only its shape', (text, shape) => {
  expect(hide(text)).toMatch(shape);
  expect(hide(text)).not.toBe(text);
});

test('the empty text stands for itself', () => {
  expect(hide('')).toBe('');
});
