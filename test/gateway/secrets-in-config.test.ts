/** No credential stands in the configuration file: what would hold one is refused, with its path and what to write. */
import { expect, it } from 'vitest';
import { parseSettings } from '../../src/config/load.ts';
import { HoldfastError } from '../../src/core/errors.ts';
import { providerAdapters } from '../../src/providers/registry.ts';

const parse = (provider: string) =>
  parseSettings(`providers: { a: { kind: openai-compatible, ${provider} } }`, 'test', {
    env: {},
    adapters: providerAdapters,
  });

function refusalOf(provider: string): HoldfastError {
  try {
    parse(provider);
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

it.each(['Authorization', 'proxy-authorization', 'X-Api-Key', 'api-key', 'x-goog-api-key', 'apikey'])(
  'refuses the header %s',
  (name) => {
    const error = refusalOf(`baseUrl: "https://llm.example/v1", headers: { ${name}: "Bearer CANARY", x-team: a }`);
    expect(error.details?.['problems']).toMatchObject([{ path: `providers.a.headers.${name}` }]);
    expect(error.message).toMatch(/apiKey: env:NAME or secret:NAME/);
    expect(error.message).not.toContain('CANARY');
  },
);

it.each(['https://me:CANARY@llm.example/v1', 'https://CANARY@llm.example/v1'])('refuses the address %s', (address) => {
  const error = refusalOf(`baseUrl: "${address}"`);
  expect(error.details?.['problems']).toMatchObject([{ path: 'providers.a.baseUrl' }]);
  expect(error.message).toMatch(/apiKey: env:NAME or secret:NAME/);
  expect(error.message).not.toContain('CANARY');
});

it('takes other headers', () => {
  const settings = parse('baseUrl: "https://llm.example/v1", headers: { x-team: search, openai-organization: org-1 }');
  expect(settings.providers.get('a')?.headers).toEqual({ 'x-team': 'search', 'openai-organization': 'org-1' });
});
