/** Ids of end users: opaque to us, parts of scope names. */

/** As hashes, UUIDs and the ids of identity providers are written; Anthropic allows as many characters. */
export const USER_ID = /^[A-Za-z0-9._:@|=+/~-]{1,256}$/;

/** The tag that names the user of a call. */
export const USER_TAG = 'user';

/**
 * Whom a call is about or for, as it was sent: before anything is masked, or all whose address is masked would be one, and
 * could not be found again. The ledger keeps no more of it than a keyed hash. Null for a call of nobody.
 *
 * @param endUser what the request's own field says.
 */
export function subjectOf(tags: Readonly<Record<string, string>>, endUser: string | null): string | null {
  return tags[USER_TAG] || endUser || null;
}
