/** Ids of end users: opaque to us, parts of scope names. */

/** As hashes, UUIDs and the ids of identity providers are written; Anthropic allows as many characters. */
export const USER_ID = /^[A-Za-z0-9._:@|=+/~-]{1,256}$/;

/** The tag that names the user of a call. */
export const USER_TAG = 'user';
