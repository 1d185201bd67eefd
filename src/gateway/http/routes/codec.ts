/**
 * `/codec/encode` and `/codec/decode`: Temporal's remote codec protocol, so that its UI and CLI can show sealed histories to
 * those who may see them. A browser is let in from the configured origins of the UI only.
 */
import type { Payload, PayloadCodec } from '@temporalio/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { HoldfastError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ports/ledger.ts';
import type { Authenticator } from '../../../governance/authenticate.ts';
import { presentedKey } from '../request-options.ts';

export interface CodecRouteDeps {
  codec: PayloadCodec;
  /** Of the histories that it opens. */
  namespace: string;
  /** Such as `https://temporal.example.com`. */
  uiOrigins: readonly string[];
  authenticator: Authenticator;
  ledger: Ledger;
}

const MAX_PAYLOADS = 1_000;
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const ALLOWED_HEADERS = 'authorization, content-type, x-api-key, x-namespace';

/** Protobuf's JSON: bytes are base64. */
const payloadSchema = z.looseObject({
  metadata: z.record(z.string(), z.base64()).default({}),
  data: z.base64().default(''),
});
const payloadsSchema = z.looseObject({ payloads: z.array(payloadSchema).max(MAX_PAYLOADS).default([]) });

type PayloadJson = z.output<typeof payloadSchema>;

export const codecRoutes: FastifyPluginCallbackZod<CodecRouteDeps> = (app, deps, done) => {
  const { codec, namespace, uiOrigins, authenticator, ledger } = deps;

  app.addHook('onRequest', (request, reply, next) => {
    next(allowOrigin(request, reply, uiOrigins));
  });

  async function adminOf(request: FastifyRequest): Promise<string> {
    const caller = await authenticator.authenticate(presentedKey(request.headers));
    if (!caller.roles.includes('admin')) {
      throw new HoldfastError('permission_denied', 'Histories are opened with a key that has the role admin.');
    }
    const asked = request.headers['x-namespace'];
    if (asked !== undefined && asked !== namespace) {
      throw new HoldfastError('invalid_request', `This node serves the namespace ${namespace}.`, {
        param: 'X-Namespace',
      });
    }
    return caller.key ?? 'local';
  }

  for (const verb of ['encode', 'decode'] as const) {
    const path = `/codec/${verb}`;
    app.options(path, { schema: { hide: true } }, (_request, reply) =>
      reply
        .headers({ 'access-control-allow-methods': 'POST', 'access-control-allow-headers': ALLOWED_HEADERS })
        .header('access-control-max-age', '600')
        .code(204)
        .send(),
    );
    app.post(
      path,
      {
        bodyLimit: MAX_BODY_BYTES,
        // Before the body is read: who may not ask sends nothing.
        preParsing: async (request) => {
          await adminOf(request);
        },
        schema: {
          summary: `Temporal's remote codec: ${verb}s payloads of histories`,
          body: payloadsSchema,
          response: { 200: z.object({ payloads: z.array(z.looseObject({})) }) },
        },
      },
      async (request) => {
        const actor = await adminOf(request);
        const { payloads } = request.body;
        const result = await codec[verb](payloads.map(payloadOf));
        // Written before anything is shown.
        const details = { payloads: payloads.length };
        await ledger.appendAudit({ actor, action: `history.${verb}`, subject: namespace, details });
        return { payloads: result.map(jsonOf) };
      },
    );
  }
  done();
};

function allowOrigin(
  { headers: { origin } }: FastifyRequest,
  reply: FastifyReply,
  allowed: readonly string[],
): HoldfastError | undefined {
  void reply.header('vary', 'Origin');
  if (origin === undefined) return undefined;
  if (!allowed.includes(origin)) {
    return new HoldfastError(
      'permission_denied',
      'Web pages of this origin may not open histories. Name the address of the Temporal UI in security.uiOrigins.',
      { param: 'Origin' },
    );
  }
  void reply.header('access-control-allow-origin', origin);
  void reply.header('access-control-allow-credentials', 'true');
  return undefined;
}

function payloadOf({ metadata, data }: PayloadJson): Payload {
  const entries = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')] as const);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data, 'base64') };
}

function jsonOf({ metadata, data }: Payload): { metadata: Record<string, string>; data: string } {
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  return {
    metadata: Object.fromEntries(entries) as Record<string, string>,
    data: Buffer.from(data ?? new Uint8Array()).toString('base64'),
  };
}
