/** `data:` URLs, as images and files stand in OpenAI's wire. */
export interface InlineData {
  mediaType: string;
  /** Base64. */
  data: string;
}

const MAX_HEADER_LENGTH = 200;

/** Null when the text is no base64 data URL. Never runs a pattern over the data itself: it may be many megabytes. */
export function parseDataUrl(url: string): InlineData | null {
  if (!url.startsWith('data:')) return null;
  const comma = url.slice(0, MAX_HEADER_LENGTH).indexOf(',');
  if (comma === -1) return null;
  const [mediaType = '', ...parameters] = url.slice('data:'.length, comma).split(';');
  return parameters.includes('base64') ? { mediaType, data: url.slice(comma + 1) } : null;
}

export function toDataUrl({ mediaType, data }: InlineData): string {
  return `data:${mediaType};base64,${data}`;
}
