/**
 * A gateway like many: `plain-proxy.ts PORT UPSTREAM_PORT` passes requests through, and sends one again when its
 * connection was lost. No ledger, no memory. The campaign must fail against it.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { request as send } from 'undici';

const TRIES = 2;
const [port = '0', upstreamPort = '0'] = process.argv.slice(2);

createServer((request, response) => {
  pass(request, response).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502, { 'content-type': 'application/json' }).end(JSON.stringify(errorBody(error)));
  });
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
process.stdin.once('end', () => process.exit(0)).resume();

async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    response.writeHead(404).end('{}');
    return;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const answer = await sendAgainOnLoss(Buffer.concat(chunks));
  response.writeHead(answer.statusCode, {
    'content-type': String(answer.headers['content-type']),
    'x-holdfast-call-id': randomUUID(),
  });
  await pipeline(answer.body, response);
}

async function sendAgainOnLoss(body: Uint8Array) {
  for (let tries = 1; ; tries++) {
    try {
      return await send(`http://127.0.0.1:${upstreamPort}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    } catch (error) {
      if (tries >= TRIES) throw error;
    }
  }
}

function errorBody(error: unknown) {
  return { error: { message: error instanceof Error ? error.message : 'lost', code: 'bad_gateway' } };
}
