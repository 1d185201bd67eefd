import type { z } from 'zod';
import { HoldfastError } from '../../core/errors.ts';

/**
 * What a command was given, checked as the HTTP interface checks it: an empty value is not one that is missing.
 * @throws HoldfastError `invalid_request` that names the field, or `name` where it is about all of them.
 */
export function checkInput<Schema extends z.ZodType>(schema: Schema, given: unknown, name: string): z.output<Schema> {
  const checked = schema.safeParse(given);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new HoldfastError('invalid_request', `${String(issue?.path[0] ?? name)}: ${issue?.message ?? 'not valid'}.`);
}
