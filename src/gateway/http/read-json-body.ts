import { HoldfastError } from '../../core/errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON of a request body. @throws HoldfastError `invalid_request` that says what is wrong and never echoes the body. */
export function readJsonBody(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) throw new HoldfastError('invalid_request', 'The body is empty; send a JSON object.');
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (error) {
    throw new HoldfastError('invalid_request', 'The body is not valid UTF-8.', { details: { reason: nameOf(error) } });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HoldfastError('invalid_request', `The body is not valid JSON${positionIn(error)}.`);
  }
}

/** Where JSON.parse stopped; its message also quotes the text, which must not leave. */
function positionIn(error: unknown): string {
  const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? '' : ` (at character ${position})`;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
