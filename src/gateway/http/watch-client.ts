import type { FastifyReply, FastifyRequest } from 'fastify';

export interface ClientWatch {
  /** Aborted when the client goes away before the reply is done. */
  signal: AbortSignal;
  stop(): void;
}

export function watchClient(request: FastifyRequest, reply: FastifyReply, onGone: () => void): ClientWatch {
  const controller = new AbortController();
  const onClose = () => {
    if (reply.raw.writableFinished) return;
    controller.abort();
    onGone();
  };
  reply.raw.once('close', onClose);
  if (request.raw.socket.destroyed) onClose();
  return {
    signal: controller.signal,
    stop: () => {
      // A reply that is still being flushed may yet lose its client, but the call has ended then.
      reply.raw.removeListener('close', onClose);
    },
  };
}
