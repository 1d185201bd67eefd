/** OpenAI's wire, under the three kinds that speak it. */
import type { ProviderAdapter } from '../../core/ports/provider.ts';
import { modelCapabilities } from '../capabilities.ts';
import { decodeOpenAiAnswer } from './decode-answer.ts';
import { encodeOpenAiRequest } from './encode-request.ts';
import { mapOpenAiFailure } from './map-failure.ts';
import { openAiKeptAnswers } from './responses/kept-answers.ts';
import { createOpenAiStreamDecoder } from './stream-decoder.ts';

interface OpenAiKind extends Pick<ProviderAdapter, 'kind' | 'defaultBaseUrl' | 'usualKeyVariable'> {
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
  mustSayDone: boolean;
  /** It has the Responses API, with background mode and stored answers. */
  keepsAnswers: boolean;
}

function openAiAdapter({ maxTokensField, mustSayDone, keepsAnswers, ...identity }: OpenAiKind): ProviderAdapter {
  return {
    ...identity,
    wire: 'openai-chat',
    capabilities: (model) => modelCapabilities(identity.kind, model),
    encode: (input) => encodeOpenAiRequest(input, { maxTokensField }),
    decodeAnswer: decodeOpenAiAnswer,
    createStreamDecoder: () => createOpenAiStreamDecoder({ mustSayDone }),
    ...(keepsAnswers && { kept: openAiKeptAnswers }),
    decodeFailure: mapOpenAiFailure,
  };
}

export const openai = openAiAdapter({
  kind: 'openai',
  defaultBaseUrl: 'https://api.openai.com/v1',
  usualKeyVariable: 'OPENAI_API_KEY',
  maxTokensField: 'max_completion_tokens',
  mustSayDone: true,
  keepsAnswers: true,
});

/** Any server with OpenAI's wire; `baseUrl` comes from the configuration. */
export const openaiCompatible = openAiAdapter({
  kind: 'openai-compatible',
  defaultBaseUrl: null,
  usualKeyVariable: null,
  maxTokensField: 'max_tokens',
  mustSayDone: false,
  keepsAnswers: false,
});

/** The built-in stand-in for a provider when no key is configured: OpenAI's wire, labelled as simulated. */
export const simulated = openAiAdapter({
  kind: 'simulated',
  defaultBaseUrl: null,
  usualKeyVariable: null,
  maxTokensField: 'max_completion_tokens',
  mustSayDone: true,
  keepsAnswers: true,
});
