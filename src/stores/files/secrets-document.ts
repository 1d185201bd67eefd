/** The text of `secrets.json`: names and times in the open, values sealed. */
import { z } from 'zod';
import { HoldfastError } from '../../core/errors.ts';

const versionSchema = z.strictObject({
  version: z.int().positive(),
  createdAt: z.iso.datetime(),
  /** Base64 of the envelope. */
  sealed: z.base64(),
  /** The same under the next master key, while that is being changed. */
  next: z.base64().optional(),
});

// The last version outlives a removal: a name and version in the ledger never mean two secrets.
const secretSchema = z.strictObject({ lastVersion: z.int().nonnegative(), versions: z.array(versionSchema) });

const documentSchema = z.strictObject({ format: z.literal(1), secrets: z.record(z.string(), secretSchema) });

export type StoredVersion = z.infer<typeof versionSchema>;

/** Secrets by name. A map, not an object: names such as `constructor` are names like any other. */
export type Secrets = Map<string, z.infer<typeof secretSchema>>;

export function formatSecrets(secrets: Secrets): string {
  return `${JSON.stringify({ format: 1, secrets: Object.fromEntries(secrets) }, null, 2)}\n`;
}

/** @throws HoldfastError `engine_unavailable`; its message quotes nothing of the text. */
export function parseSecrets(text: string, path: string): Secrets {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(path, 'it is not JSON');
  }
  const parsed = documentSchema.safeParse(value);
  if (!parsed.success) throw malformed(path, parsed.error.issues.map((issue) => issue.path.join('.')).join(', '));
  return new Map(Object.entries(parsed.data.secrets));
}

function malformed(path: string, what: string): HoldfastError {
  return new HoldfastError(
    'engine_unavailable',
    `The secrets file ${path} is malformed (${what}). Restore it from a backup, or move it away and set the secrets again.`,
  );
}
