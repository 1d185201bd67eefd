/** Google's Gemini API (the developer API; not Vertex AI). */
import type { ProviderAdapter } from '../../core/ports/provider.ts';
import { modelCapabilities } from '../capabilities.ts';
import type { NowMs } from '../clock.ts';
import { unixSeconds } from '../clock.ts';
import { decodeGeminiAnswer } from './decode-answer.ts';
import { encodeGeminiRequest } from './encode-request.ts';
import { mapGeminiFailure } from './map-failure.ts';
import { createGeminiStreamDecoder } from './stream-decoder.ts';

/** @param now the wire carries no time of its own, and canonical answers have one */
export function geminiAdapter(now: NowMs = Date.now): ProviderAdapter {
  return {
    kind: 'gemini',
    wire: 'gemini-generate',
    defaultBaseUrl: 'https://generativelanguage.googleapis.com',
    usualKeyVariable: 'GEMINI_API_KEY',
    capabilities: (model) => modelCapabilities('gemini', model),
    encode: encodeGeminiRequest,
    decodeAnswer: (_request, bodyText) => decodeGeminiAnswer(bodyText, unixSeconds(now)),
    createStreamDecoder: () => createGeminiStreamDecoder(unixSeconds(now)),
    decodeFailure: mapGeminiFailure,
  };
}
