/** A caller's embeddings request: text, texts, tokens or lists of tokens. */
import type { Json } from '../../core/json.ts';
import type { CallRequest } from '../../core/ports/provider.ts';
import { checkBody, checkInteger, checkModel, checkOneOf, invalid } from '../validate.ts';

export function parseEmbeddingsRequest(value: unknown): CallRequest {
  const body = checkBody(value);
  checkModel(body);
  checkInput(body.input);
  checkInteger(body, 'dimensions', 1);
  checkOneOf(body, 'encoding_format', ['float', 'base64']);
  return { wire: 'openai-embeddings', body, stream: false };
}

function checkInput(input: Json | undefined): void {
  if (typeof input === 'string') {
    if (input === '') throw invalid('input', 'must not be empty.');
    return;
  }
  if (!Array.isArray(input)) throw invalid('input', 'must be a string, an array of strings, or an array of tokens.');
  if (input.length === 0) throw invalid('input', 'must not be empty.');
  const isOneList = typeof input[0] === 'number';
  for (const [index, element] of input.entries()) {
    const isGood = isOneList ? isToken(element) : isText(element) || isTokenList(element);
    if (!isGood) {
      throw invalid(
        `input[${String(index)}]`,
        'must be non-empty and of one kind: strings, tokens, or lists of tokens.',
      );
    }
  }
}

function isText(value: Json): boolean {
  return typeof value === 'string' && value !== '';
}

function isToken(value: Json): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isTokenList(value: Json): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((element) => isToken(element));
}
