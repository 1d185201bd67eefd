/** What a conversion could not carry: losses are told, content that cannot be carried refuses the request. */
import type { ConversionWarning } from '../core/chat.ts';
import { HoldfastError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Capability } from '../core/ports/provider.ts';
import { nameOf } from './read-json.ts';
import { isAbsent } from './validate.ts';

export interface Losses {
  readonly warnings: ConversionWarning[];
  warn(path: string, message: string): void;
}

export function createLosses(): Losses {
  const warnings: ConversionWarning[] = [];
  return {
    warnings,
    warn(path, message) {
      warnings.push({ path, message });
    },
  };
}

/** Warns of each field that is set and not among those the conversion read. */
export function warnUnread(source: JsonObject, read: ReadonlySet<string>, losses: Losses): void {
  for (const key of Object.keys(source)) {
    const isNeutral = isAbsent(source[key]) || source[key] === false || (source[key] === 0 && key.endsWith('_penalty'));
    if (!read.has(key) && !isNeutral) losses.warn(key, 'This provider has no counterpart; the field was not sent.');
  }
}

/** Content must not vanish from a prompt in silence: what cannot be carried refuses the candidate. */
export function cannotCarry(path: string, what: string, capability?: Capability): HoldfastError {
  return new HoldfastError(
    'capability_missing',
    `\`${path}\`: ${what} cannot be sent to this provider. Choose another target.`,
    {
      param: path,
      ...(capability !== undefined && { details: { capability } }),
    },
  );
}

/** Pictures and sounds of an answer have no place in the canonical chat. @throws HoldfastError `capability_missing` */
export function requireTextOut({ modalities }: JsonObject): void {
  const other = Array.isArray(modalities) ? modalities.find((modality) => modality !== 'text') : undefined;
  if (other === undefined) return;
  throw cannotCarry('modalities', `a request for ${nameOf(other)}`, other === 'audio' ? 'audio-out' : undefined);
}
