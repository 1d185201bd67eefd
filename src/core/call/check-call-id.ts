/** Ids of calls as trusted callers may choose them: the id is a part of paths, and stands in headers and in ids of events. */
import { HoldfastError } from '../errors.ts';

const CALL_ID = /^(?!\.{1,2}$)[\x21-\x7e]{1,255}$/;

/** Not for the workflow, where a call that was accepted by an older rule would fail on replay. @throws HoldfastError `invalid_request` */
export function checkCallId(id: string): void {
  if (CALL_ID.test(id)) return;
  throw new HoldfastError(
    'invalid_request',
    'The id of a call must be 1 to 255 characters of printable ASCII without spaces, and neither "." nor "..".',
    { param: 'callId' },
  );
}
