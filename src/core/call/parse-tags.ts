/** Tags of a call: names and values for reports and policy, as a caller gives them. */
import { HoldfastError } from '../errors.ts';
import { isJsonObject } from '../json.ts';

const MAX_TAGS = 20;
/** In UTF-16 code units, of a name or a value. */
const MAX_TAG_LENGTH = 256;

/** @throws HoldfastError `invalid_request` with `param`: not an object of strings, more than 20, or one of over 256 characters. */
export function parseTags(value: unknown, param: string): Record<string, string> {
  if (!isJsonObject(value)) throw invalid(param, 'The tags must be a JSON object of strings.');
  const entries = Object.entries(value);
  if (entries.length > MAX_TAGS) throw invalid(param, `At most ${String(MAX_TAGS)} tags are allowed.`);
  return Object.fromEntries(
    entries.map(([name, tag]) => {
      if (typeof tag !== 'string' || tag.length > MAX_TAG_LENGTH || name.length > MAX_TAG_LENGTH) {
        throw invalid(param, `Each tag must be a string of at most ${String(MAX_TAG_LENGTH)} characters.`);
      }
      return [name, tag];
    }),
  );
}

function invalid(param: string, message: string): HoldfastError {
  return new HoldfastError('invalid_request', message, { param });
}
