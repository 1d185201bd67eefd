import { expect, it } from 'vitest';
import { errorReference, writtenErrorReference } from '../../docs/generate-error-reference.ts';

it('docs/errors.md says what the catalogue says; after a change run `npx node docs/generate-error-reference.ts`', () => {
  expect(writtenErrorReference()).toBe(errorReference());
});
