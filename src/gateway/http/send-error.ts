import type { FastifyReply } from 'fastify';
import type { ErrorRecord } from '../../core/errors.ts';
import { errorReply, type ErrorShape } from './error-reply.ts';

export function sendError(reply: FastifyReply, error: ErrorRecord, shape: ErrorShape, requestId: string): FastifyReply {
  const { status, headers, body } = errorReply(error, shape, requestId);
  return reply.code(status).headers(headers).type('application/json').send(body);
}

/** For a call whose end says nothing of why. */
export function lostError(): ErrorRecord {
  return { code: 'engine_unavailable', message: 'The call ended without an outcome.', source: 'gateway' };
}
