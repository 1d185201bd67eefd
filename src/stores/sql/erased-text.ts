/** What stays of a row's texts after an erasure: everything that is decided or counted by, nothing that was said. */
import type { Admission } from '../../core/call/types.ts';
import type { ErrorRecord } from '../../core/errors.ts';
import { SUBJECT_TAG } from '../../core/names.ts';
import type { RecordedFailure } from '../../core/ports/ledger/attempts.ts';
import { fromNullableJsonText } from './json-text.ts';

export const ERASED_TEXT = '(erased)';

export function withoutSubject(tags: string | null): string | null {
  const known = fromNullableJsonText<Record<string, string>>(tags);
  if (known === null || known[SUBJECT_TAG] === undefined) return tags;
  return JSON.stringify({ ...known, [SUBJECT_TAG]: ERASED_TEXT });
}

export function errorWithoutText(text: string | null): string | null {
  const error = fromNullableJsonText<ErrorRecord>(text);
  return error && JSON.stringify(withoutMessage(error));
}

/** What a repeat decides by stays; what a provider said goes. */
export function failureWithoutText(text: string | null): string | null {
  const failure = fromNullableJsonText<RecordedFailure>(text);
  return failure && JSON.stringify({ ...failure, error: withoutMessage(failure.error) });
}

/** A plan names the user that pays, a refusal the budget that had no room. */
export function admissionWithoutUser(text: string | null): string | null {
  const admission = fromNullableJsonText<Admission>(text);
  if (admission === null) return null;
  if (!admission.allowed) return JSON.stringify({ ...admission, error: withoutMessage(admission.error) });
  const { user: _user, ...plan } = admission.plan;
  return JSON.stringify({ ...admission, plan });
}

function withoutMessage({ code, source, status, retryAfterMs }: ErrorRecord): ErrorRecord {
  return {
    code,
    message: ERASED_TEXT,
    source,
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}
