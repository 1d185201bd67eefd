/** Anthropic's Messages API. */
import type { ProviderAdapter } from '../../core/ports/provider.ts';
import { modelCapabilities } from '../capabilities.ts';
import type { NowMs } from '../clock.ts';
import { unixSeconds } from '../clock.ts';
import { decodeAnthropicAnswer } from './decode-answer.ts';
import { encodeAnthropicRequest } from './encode-request.ts';
import { mapAnthropicFailure } from './map-failure.ts';
import { createAnthropicStreamDecoder } from './stream-decoder.ts';

/** @param now the wire carries no time of its own, and canonical answers have one */
export function anthropicAdapter(now: NowMs = Date.now): ProviderAdapter {
  return {
    kind: 'anthropic',
    wire: 'anthropic-messages',
    defaultBaseUrl: 'https://api.anthropic.com',
    usualKeyVariable: 'ANTHROPIC_API_KEY',
    capabilities: (model) => modelCapabilities('anthropic', model),
    encode: encodeAnthropicRequest,
    decodeAnswer: (_request, bodyText) => decodeAnthropicAnswer(bodyText, unixSeconds(now)),
    createStreamDecoder: () => createAnthropicStreamDecoder(unixSeconds(now)),
    decodeFailure: mapAnthropicFailure,
  };
}
