/** `/v1/models` in the shape that the caller's SDK expects. */
import type { FastifyPluginCallback, FastifyRequest } from 'fastify';
import { HoldfastError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Authenticator } from '../../../governance/authenticate.ts';
import type { Administration } from '../../administration.ts';
import { presentedKey } from '../request-options.ts';

export interface ModelsRouteDeps {
  administration: Administration;
  authenticator: Authenticator;
}

/** Aliases have no birthday; SDKs want one. */
const CREATED_SECONDS = 1_700_000_000;

export const modelsRoutes: FastifyPluginCallback<ModelsRouteDeps> = (app, { administration, authenticator }, done) => {
  async function namesFor(request: FastifyRequest): Promise<string[]> {
    const caller = await authenticator.authenticate(presentedKey(request.headers));
    const all = administration.models().models.map(({ name }) => name);
    return caller.models === null ? all : [...new Set([...caller.models])];
  }

  app.get('/v1/models', { schema: { summary: 'The models that the key may name' } }, async (request) => {
    const names = await namesFor(request);
    const data = names.map((name) => describe(name, request));
    return isAnthropic(request)
      ? { data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null }
      : { object: 'list', data };
  });
  app.get<{ Params: { '*': string } }>('/v1/models/*', { schema: { summary: 'One model' } }, async (request) => {
    const name = request.params['*'];
    if (!(await namesFor(request)).includes(name))
      throw new HoldfastError('not_found', 'There is no such model for this key.');
    return describe(name, request);
  });
  done();
};

function describe(name: string, request: FastifyRequest): JsonObject {
  return isAnthropic(request)
    ? { type: 'model', id: name, display_name: name, created_at: new Date(CREATED_SECONDS * 1000).toISOString() }
    : { id: name, object: 'model', created: CREATED_SECONDS, owned_by: 'holdfast' };
}

function isAnthropic(request: FastifyRequest): boolean {
  return request.headers['anthropic-version'] !== undefined;
}
