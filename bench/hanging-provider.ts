/**
 * A provider in a process of its own that begins each answer and never ends it. It tells its parent where it listens, when
 * a request has come, and when the socket of one has closed, by the clock that all processes of a machine share.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `at` is monotonic, in nanoseconds as text. */
export type ProviderEvent = { type: 'listening'; url: string } | { type: 'asked' | 'closed'; at: string };

const tell = (event: ProviderEvent) => process.send?.(event);

const server = createServer((request, response) => {
  response.once('close', () => tell({ type: 'closed', at: String(process.hrtime.bigint()) }));
  request.resume().once('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const choices = [{ index: 0, delta: { role: 'assistant', content: 'and ' }, finish_reason: null }];
    const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'sim-small', choices };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    tell({ type: 'asked', at: String(process.hrtime.bigint()) });
  });
});
server.listen(0, '127.0.0.1', () =>
  tell({ type: 'listening', url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}` }),
);
process.once('disconnect', () => process.exit(0));
