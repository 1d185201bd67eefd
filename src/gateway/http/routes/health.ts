/** `/health`, `/health/live`, `/health/ready`: 200 on ready means that calls are accepted now. */
import type { FastifyPluginCallback } from 'fastify';

export interface Readiness {
  ready: boolean;
  /** What is checked, and what is wrong with it, or `ok`. */
  checks: Record<string, string>;
}

export interface HealthRouteDeps {
  readiness(): Promise<Readiness>;
  version: string;
}

export const healthRoutes: FastifyPluginCallback<HealthRouteDeps> = (app, { readiness, version }, done) => {
  app.get('/health/live', { schema: { summary: 'The process runs' } }, () => ({ status: 'ok' }));
  for (const path of ['/health', '/health/ready']) {
    app.get(path, { schema: { summary: 'Calls are accepted now' } }, async (_request, reply) => {
      const { ready, checks } = await readiness();
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'unavailable', version, checks });
    });
  }
  done();
};
