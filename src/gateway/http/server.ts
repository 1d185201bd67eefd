/** The HTTP door: routes, error shapes, request ids, OpenAPI, and who may knock at all. */
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
import { isLoopbackHost } from '../../config/private-host.ts';
import { errorTable, HoldfastError, type ErrorRecord } from '../../core/errors.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { createLlmHandler, type LlmRouteDeps } from './routes/llm-route.ts';
import { sendError, shapeOf } from './send-error.ts';
import { createUnroutedErrors } from './unrouted-errors.ts';
import { presentedKey } from './request-options.ts';
import { adminRoutes, type AdminRouteDeps } from './routes/admin.ts';
import { callsRoutes, type CallsRouteDeps } from './routes/calls.ts';
import { codecRoutes, type CodecRouteDeps } from './routes/codec.ts';
import { healthRoutes, type HealthRouteDeps } from './routes/health.ts';
import { modelsRoutes } from './routes/models.ts';
import { createWaitingClients } from '../calls/waiting-clients.ts';
import { doorWires } from '../../providers/registry.ts';

export interface GatewayDeps
  extends LlmRouteDeps, AdminRouteDeps, Omit<CallsRouteDeps, 'doorWires' | 'clients'>, CodecRouteDeps, HealthRouteDeps {
  metrics: Metrics;
  logger: FastifyBaseLogger;
  maxBodyBytes: number;
  version: string;
  /** False on an open gateway: then only this machine may call, and no web page of another site. */
  authRequired: boolean;
  /** True once the node has begun to stop. */
  isDraining(): boolean;
  onError(error: unknown): void;
}

const DRAINING: ErrorRecord = {
  code: 'engine_unavailable',
  message: 'The node is shutting down; ask again, with the same Idempotency-Key if there was one.',
  source: 'gateway',
  retryAfterMs: 1_000,
};

/** Builds the gateway; the caller listens and closes. */
export async function createGateway(deps: GatewayDeps): Promise<FastifyInstance> {
  const unrouted = createUnroutedErrors(({ code }) => deps.metrics.requestRefused(code));
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: deps.maxBodyBytes,
    genReqId: () => `req_${randomUUID()}`,
    requestIdHeader: false,
    // A client that stalls in mid-request must not hold a socket for ever; answers may take as long as they take.
    requestTimeout: 60_000,
    // Fastify's own 503 has no code and no Retry-After; the hook below answers instead.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: unrouted.frameworkErrors,
    clientErrorHandler: unrouted.clientErrorHandler,
  }).withTypeProvider<ZodTypeProvider>();
  unrouted.follow(app.server);
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
  app.addHook('onRequest', (request, reply, done) => {
    // Health goes on: it is what says that the node is shutting down.
    if (!deps.isDraining() || request.url.startsWith('/health')) {
      done();
      return;
    }
    deps.metrics.requestRefused(DRAINING.code);
    void sendError(reply.header('connection', 'close'), DRAINING, shapeOf(request), request.id);
  });
  app.addHook('onRequest', (request, _reply, done) => {
    done(deps.authRequired ? undefined : crossSiteError(request));
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

  const clients = createWaitingClients();
  await app.register((llm, _options, done) => {
    // Parsed by hand, so that broken JSON and broken UTF-8 get our own errors, and only after authentication.
    llm.removeAllContentTypeParsers();
    llm.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body));
    llm.addHook('onRequest', (request, _reply, next) => {
      next(request.method === 'POST' ? contentTypeError(request.headers['content-type']) : undefined);
    });
    const openApi = { schema: { summary: "OpenAI's wire" } };
    llm.post(
      '/v1/chat/completions',
      openApi,
      createLlmHandler(deps, clients, { door: doorWires['openai-chat'], kind: 'chat', shape: 'openai' }),
    );
    llm.post(
      '/v1/embeddings',
      openApi,
      createLlmHandler(deps, clients, { door: doorWires['openai-embeddings'], kind: 'embedding', shape: 'openai' }),
    );
    llm.post(
      '/v1/messages',
      { schema: { summary: "Anthropic's wire" } },
      createLlmHandler(deps, clients, { door: doorWires['anthropic-messages'], kind: 'chat', shape: 'anthropic' }),
    );
    done();
  });
  await app.register(modelsRoutes, deps);
  await app.register(callsRoutes, { ...deps, doorWires, clients });
  await app.register(adminRoutes, deps);
  await app.register(codecRoutes, deps);
  await app.register(healthRoutes, deps);
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    await deps.authenticator.authenticate(presentedKey(request.headers));
    return reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
  });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

/**
 * On an open gateway every caller is an admin, so it must be a program of this machine. A web page is told by its
 * `Origin`; one that had its own name resolve to 127.0.0.1 (DNS rebinding) by its `Host`.
 */
function crossSiteError({ headers: { host = '', origin } }: FastifyRequest): HoldfastError | undefined {
  const remedy = 'Call it as localhost or 127.0.0.1, or make keys and set gateway.auth.required: true.';
  if (!isLoopbackName(/^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host)?.[1])) {
    return new HoldfastError(
      'permission_denied',
      `This gateway asks for no key, so it answers to names of this machine only. ${remedy}`,
      { param: 'Host' },
    );
  }
  if (origin !== undefined && !isLoopbackName(URL.parse(origin)?.hostname)) {
    return new HoldfastError(
      'permission_denied',
      `This gateway asks for no key, so it takes no requests from web pages of other hosts. ${remedy}`,
      { param: 'Origin' },
    );
  }
  return undefined;
}

/** `*.localhost` too: browsers and resolvers keep these names on this machine. */
function isLoopbackName(name = ''): boolean {
  return isLoopbackHost(name) || /^[a-z0-9.-]+\.localhost\.?$/i.test(name);
}

/** JSON, or no type at all. Any other type is a mistake, or a form of another site that a browser sends unasked. */
function contentTypeError(contentType = ''): HoldfastError | undefined {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (contentType.trim() === '' || type === 'application/json' || /^[\w.-]+\/[\w.+-]+\+json$/.test(type)) {
    return undefined;
  }
  const hint =
    type === 'application/x-www-form-urlencoded'
      ? 'curl -d sends application/x-www-form-urlencoded unless told otherwise: add -H "content-type: application/json".'
      : 'Send content-type: application/json.';
  return new HoldfastError('invalid_request', `The body must be JSON. ${hint}`, { param: 'content-type' });
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
