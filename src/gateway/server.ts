/** The HTTP door: routes, error shapes, request ids, OpenAPI. */
import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { errorTable, HoldfastError, type ErrorRecord } from '../core/errors.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { sendError, createLlmHandler, type LlmRouteDeps } from './routes/llm-route.ts';
import type { ErrorShape } from './error-reply.ts';
import { adminRoutes, type AdminRouteDeps } from './routes/admin.ts';
import { callsRoutes, type CallsRouteDeps } from './routes/calls.ts';
import { healthRoutes, type HealthRouteDeps } from './routes/health.ts';
import { modelsRoutes } from './routes/models.ts';
import { doorWires } from '../providers/registry.ts';

export interface GatewayDeps extends LlmRouteDeps, AdminRouteDeps, Omit<CallsRouteDeps, 'doorWires'>, HealthRouteDeps {
  metrics: Metrics;
  logger: FastifyBaseLogger;
  maxBodyBytes: number;
  version: string;
}

/** Builds the gateway; the caller listens and closes. */
export async function createGateway(deps: GatewayDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: deps.maxBodyBytes,
    genReqId: () => `req_${randomUUID()}`,
    requestIdHeader: false,
    // A client that stalls in mid-request must not hold a socket for ever; answers may take as long as they take.
    requestTimeout: 60_000,
    routerOptions: { maxParamLength: 256 },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Holdfast', version: deps.version } },
    transform: jsonSchemaTransform,
  });

  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  app.setErrorHandler((error, request, reply) => replyToError(deps, error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    replyToError(
      deps,
      new HoldfastError('not_found', `There is nothing at ${request.method} ${request.url.split('?')[0] ?? ''}.`),
      request,
      reply,
    ),
  );

  await app.register((llm, _options, done) => {
    // Parsed by hand, so that broken JSON and broken UTF-8 get our own errors, and only after authentication.
    llm.removeAllContentTypeParsers();
    llm.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body));
    const openApi = { schema: { summary: "OpenAI's wire" } };
    llm.post(
      '/v1/chat/completions',
      openApi,
      createLlmHandler(deps, { door: doorWires['openai-chat'], kind: 'chat', shape: 'openai' }),
    );
    llm.post(
      '/v1/embeddings',
      openApi,
      createLlmHandler(deps, { door: doorWires['openai-embeddings'], kind: 'embedding', shape: 'openai' }),
    );
    llm.post(
      '/v1/messages',
      { schema: { summary: "Anthropic's wire" } },
      createLlmHandler(deps, { door: doorWires['anthropic-messages'], kind: 'chat', shape: 'anthropic' }),
    );
    done();
  });
  await app.register(modelsRoutes, deps);
  await app.register(callsRoutes, { ...deps, doorWires });
  await app.register(adminRoutes, deps);
  await app.register(healthRoutes, deps);
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    return reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

async function replyToError(
  deps: GatewayDeps,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const record = toRecord(error, deps.maxBodyBytes);
  deps.metrics.requestRefused(record.code);
  if (errorTable[record.code].status >= 500) deps.onError(error);
  return sendError(reply, record, shapeOf(request), request.id);
}

function shapeOf(request: FastifyRequest): ErrorShape {
  const isAnthropic = request.url.startsWith('/v1/messages') || request.headers['anthropic-version'] !== undefined;
  return isAnthropic ? 'anthropic' : 'openai';
}

function toRecord(error: unknown, maxBodyBytes: number): ErrorRecord {
  if (HoldfastError.is(error)) return error.toRecord();
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return {
      code: 'invalid_request',
      message: `The body is larger than ${String(maxBodyBytes)} bytes.`,
      source: 'gateway',
      status: 413,
    };
  }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status === 'number' && status >= 400 && status < 500 && error instanceof Error) {
    return { code: 'invalid_request', message: error.message, source: 'gateway' };
  }
  // The text of an unforeseen error may hold anything; it goes to the log only.
  return {
    code: 'engine_unavailable',
    message: 'The gateway failed to handle the request; its log says why.',
    source: 'gateway',
  };
}
