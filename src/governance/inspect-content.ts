/** What may not be stored or leave: secrets block the call, personal data is masked, before anything is written. */
import { HoldfastError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { personalDetectors } from './detectors/personal-data.ts';
import { secretDetectors, type Detector } from './detectors/secrets.ts';

export interface InspectionSettings {
  /** Names of `personalDetectors`. */
  redact: readonly string[];
  blockSecrets: boolean;
}

/**
 * The request with personal data masked as `[email]`, `[card]`, ...
 * @throws HoldfastError `content_blocked` that names the kind of secret and where it stands, never the secret.
 */
export function createContentInspector(settings: InspectionSettings): (request: CallRequest) => CallRequest {
  const redactors = settings.redact.flatMap((name) => personalDetectors[name] ?? []);
  const blockers = settings.blockSecrets ? secretDetectors : [];
  if (redactors.length === 0 && blockers.length === 0) return (request) => request;

  function inspectText(text: string, path: string): string {
    for (const detector of blockers) {
      if (!matches(detector, text)) continue;
      throw new HoldfastError(
        'content_blocked',
        `The content holds what looks like a secret (${detector.name}) in ${path}.`,
        {
          param: path,
          details: { detector: detector.name },
        },
      );
    }
    return redactors.reduce((masked, detector) => mask(detector, masked), text);
  }

  function inspect(value: Json | undefined, path: string): Json | undefined {
    // Base64 of images and audio holds no text, and every pattern would only find chance matches in it.
    if (typeof value === 'string') return isInlineData(value) ? value : inspectText(value, path);
    if (Array.isArray(value)) return value.map((item, index) => inspect(item, `${path}[${String(index)}]`) ?? null);
    if (isJsonObject(value)) {
      return mapObject(value, (field, key) =>
        key === 'data' && isInlineSource(value, path) ? field : inspect(field, path === '' ? key : `${path}.${key}`),
      );
    }
    return value;
  }

  return (request) => ({ ...request, body: inspect(request.body, '') as JsonObject });
}

/** Object.fromEntries keeps `__proto__` a plain field, where assignment would not. */
function mapObject(value: JsonObject, map: (field: Json | undefined, key: string) => Json | undefined): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, map(field, key)]));
}

function matches(detector: Detector, text: string): boolean {
  for (const [match] of text.matchAll(detector.pattern)) if (detector.accept?.(match) ?? true) return true;
  return false;
}

function mask(detector: Detector, text: string): string {
  return text.replace(detector.pattern, (match) => ((detector.accept?.(match) ?? true) ? `[${detector.name}]` : match));
}

/** Nothing but base64 may follow, or `data:;base64,` in front would keep any text from being looked at. */
const INLINE_DATA = /^data:[^,\s]{0,100};base64,[A-Za-z0-9+/_=\r\n-]*$/;
const BASE64 = /^[A-Za-z0-9+/_=\r\n-]*$/;

function isInlineData(text: string): boolean {
  return text.startsWith('data:') && INLINE_DATA.test(text);
}

/**
 * Where a message carries an image, a document or a sound: a part of its content, or of a tool's result in it. Elsewhere, as in
 * a tool's input or in metadata, fields of these names are the caller's own text.
 */
const MEDIA_PATH = /^messages\[\d+\](?:\.content\[\d+\]){1,2}(?:\.source\.content\[\d+\])?\.(source|input_audio)$/;

/** Anthropic's base64 source and OpenAI's audio: the data stands apart from its type. */
function isInlineSource({ type, media_type: mediaType, format, data }: JsonObject, path: string): boolean {
  const place = MEDIA_PATH.exec(path)?.[1];
  if (place === undefined || typeof data !== 'string' || !BASE64.test(data)) return false;
  return place === 'source' ? type === 'base64' && typeof mediaType === 'string' : typeof format === 'string';
}
