import { HoldfastError } from '../../core/errors.ts';

/**
 * Checks the form of a connection URL before anything else reads it: parsers quote what they cannot read, and it holds a
 * password.
 * @throws HoldfastError `invalid_request`; the message does not repeat the URL.
 */
export function checkPostgresUrl(text: string): string {
  const url = URL.parse(text.trim());
  if (url && ['postgres:', 'postgresql:'].includes(url.protocol) && url.pathname.length > 1) return url.href;
  throw new HoldfastError(
    'invalid_request',
    'What stores.postgresUrl refers to is not a PostgreSQL URL with a database. ' +
      'Write postgres://user:password@host:5432/database, with special characters of the password percent-encoded.',
    { param: 'stores.postgresUrl' },
  );
}
