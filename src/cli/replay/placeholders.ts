/** Stand-ins for text that must not leave: the same text has the same stand-in within one export, and in no other. */
import { createHmac, randomBytes } from 'node:crypto';

/** Gives the stand-in of a text. The empty text stands for itself. */
export type Hide = (text: string) => string;

const REFERENCE = /^(call|p|dec)_([\w-]{16,64})$/;

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

/**
 * Ids keep their shape: `call_`, `p_` and `dec_` with as many characters after it, and UUIDs. Other text becomes
 * `hidden-` and 20 hexadecimal digits, whatever its length. The key is drawn here and kept nowhere, so nobody can look
 * for a guessed text among the stand-ins.
 */
export function createPlaceholders(key: Uint8Array = randomBytes(32)): Hide {
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  return (text) => {
    if (text === '') return '';
    if (UUID.test(text)) return uuidOf(digest(text));
    const [, prefix, rest] = REFERENCE.exec(text) ?? [];
    if (prefix === undefined || rest === undefined) return `hidden-${digest(text).toString('hex').slice(0, 20)}`;
    if (UUID.test(rest)) return `${prefix}_${uuidOf(digest(text))}`;
    return `${prefix}_${digest(text).toString('base64url').repeat(2).slice(0, rest.length)}`;
  };
}

function uuidOf(digest: Uint8Array): string {
  const hex = Buffer.from(digest).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
