/** Which end user a call is for: the tag `user`, or the request's own field where there is no such tag. */
import { HoldfastError } from '../core/errors.ts';
import { USER_ID, USER_TAG } from '../core/user-id.ts';

export interface UserClaim {
  /** As the caller sent them. */
  tags: Readonly<Record<string, string>>;
  /** What the request's body says; null for nothing. */
  endUser: string | null;
  /** The tenant has budgets or limits of users. */
  isToldApart: boolean;
  /** Tags as they may be stored. @throws HoldfastError `content_blocked`. */
  mask(tags: Readonly<Record<string, string>>): Record<string, string>;
}

/**
 * The tags to store, with the tag `user`. An id that cannot be kept as it is, is left out where users are not told apart.
 * @throws HoldfastError `invalid_request` where they are: masked, all users would be one.
 */
export function identifyUser({ tags, endUser, isToldApart, mask }: UserClaim): Record<string, string> {
  const id = tags[USER_TAG] ?? endUser;
  if (id === null) return mask(tags);
  const masked = mask({ ...tags, [USER_TAG]: id });
  if (USER_ID.test(id) && masked[USER_TAG] === id) return masked;
  if (isToldApart) {
    throw new HoldfastError(
      'invalid_request',
      'The user id is no opaque id: personal data would be masked and make all users one. Send 1 to 256 letters, ' +
        'digits or ._:@|=+/~- that mean nothing outside your system, such as a hash.',
      { param: USER_TAG },
    );
  }
  return mask(tags);
}
