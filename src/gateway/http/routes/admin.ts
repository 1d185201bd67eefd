/** Administration: keys, budgets, providers, models. Reading the configuration needs any key, changing keys the role admin. */
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HoldfastError } from '../../../core/errors.ts';
import type { Authenticator } from '../../../governance/authenticate.ts';
import { eraseSchema, newKeySchema, type Administration } from '../../administration.ts';
import { presentedKey } from '../request-options.ts';

export interface AdminRouteDeps {
  administration: Administration;
  authenticator: Authenticator;
}

const anyObject = z.looseObject({});

export const adminRoutes: FastifyPluginCallbackZod<AdminRouteDeps> = (app, { administration, authenticator }, done) => {
  const callerOf = (request: FastifyRequest) => authenticator.authenticate(presentedKey(request.headers));
  async function adminOf(request: FastifyRequest) {
    const caller = await callerOf(request);
    if (!caller.roles.includes('admin'))
      throw new HoldfastError('permission_denied', 'This needs a key with the role admin.');
    return caller;
  }

  app.get(
    '/api/v1/budgets',
    {
      schema: {
        summary: 'Limits, holds and spending; users that the configuration does not name come page by page',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          after: z.string().max(400).optional(),
        }),
        response: { 200: anyObject },
      },
    },
    async (request) => {
      const caller = await callerOf(request);
      return administration.budgets(caller.roles.includes('admin') ? null : caller, request.query);
    },
  );
  app.get(
    '/api/v1/providers',
    { schema: { summary: 'Configured providers and known kinds', response: { 200: anyObject } } },
    async (request) => {
      await callerOf(request);
      return administration.providers();
    },
  );
  app.get(
    '/api/v1/models',
    { schema: { summary: 'Aliases and their targets', response: { 200: anyObject } } },
    async (request) => {
      await callerOf(request);
      return administration.models();
    },
  );
  app.get(
    '/api/v1/keys',
    { schema: { summary: 'Virtual keys, without the keys', response: { 200: anyObject } } },
    async (request) => {
      await adminOf(request);
      return administration.keys();
    },
  );
  app.post(
    '/api/v1/keys',
    {
      schema: {
        summary: 'Makes a virtual key; the answer is the only time it is shown',
        body: newKeySchema,
        response: { 201: anyObject },
      },
    },
    async (request, reply) => {
      const { key } = await adminOf(request);
      return reply.code(201).send(await administration.createKey(request.body, key ?? 'local'));
    },
  );
  app.delete(
    '/api/v1/keys/:name',
    {
      schema: {
        summary: 'Revokes a virtual key',
        params: z.object({ name: z.string().max(64) }),
        response: { 200: anyObject },
      },
    },
    async (request) => {
      const { key } = await adminOf(request);
      return { entry: await administration.revokeKey(request.params.name, key ?? 'local') };
    },
  );
  app.post(
    '/api/v1/erase',
    {
      schema: {
        summary: 'Destroys the data keys of a tenant or a subject, and with them what its calls said; costs stay',
        body: eraseSchema,
        response: { 200: anyObject },
      },
    },
    async (request) => {
      const { key } = await adminOf(request);
      return { ...(await administration.erase(request.body, key ?? 'local')) };
    },
  );
  app.get(
    '/api/v1/audit',
    {
      schema: {
        summary: 'Entries of the audit log, oldest first',
        querystring: z.object({
          after: z.coerce.number().int().min(0).default(0),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: anyObject },
      },
    },
    async (request) => {
      await adminOf(request);
      return administration.audit(request.query.after, request.query.limit);
    },
  );
  app.get(
    '/api/v1/audit/verify',
    { schema: { summary: 'Walks the hash chain of the audit log', response: { 200: anyObject } } },
    async (request) => {
      await adminOf(request);
      return administration.verifyAudit();
    },
  );
  done();
};
