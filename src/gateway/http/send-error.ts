import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorRecord } from '../../core/errors.ts';
import { errorReply, type ErrorShape } from './error-reply.ts';

export function sendError(reply: FastifyReply, error: ErrorRecord, shape: ErrorShape, requestId: string): FastifyReply {
  const { status, headers, body } = errorReply(error, shape, requestId);
  return reply.code(status).headers(headers).type('application/json').send(body);
}

/** Which SDK asks. */
export function shapeOf({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): ErrorShape {
  const isAnthropic = url.startsWith('/v1/messages') || headers['anthropic-version'] !== undefined;
  return isAnthropic ? 'anthropic' : 'openai';
}

/** For a call whose end says nothing of why. */
export function lostError(): ErrorRecord {
  return { code: 'engine_unavailable', message: 'The call ended without an outcome.', source: 'gateway' };
}
