/**
 * The provider as a process of its own, `mock-provider.ts SEED PORT`: OpenAI's wire, its jobs in the background, Anthropic's wire. It keeps
 * the truth in memory and outlives every kill. It leaves when the campaign that started it does.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { answerRequest } from './provider-answer.ts';
import { createJobs } from './provider-jobs.ts';
import { isDisturbing, mannerOf, nonceIn } from './provider-script.ts';
import type { ProviderRequest } from './provider-truth.ts';
import { anthropicWire, openAiWire } from './provider-wire.ts';

const KEEP_ALIVE_MS = 120_000;
const MAX_KEPT = 20_000;

const [seed = '', port = '0'] = process.argv.slice(2);
let kept: ProviderRequest[] = [];
const jobs = createJobs(seed);

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    // Its sender was killed before all of it had left: nothing was asked.
    if (!request.complete) return;
    process.stderr.write(`mock provider: ${String(error)}\n`);
    response.destroy();
  });
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
process.stdin.once('end', () => process.exit(0)).resume();

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/truth') {
    if (request.method === 'DELETE') kept = kept.filter(({ outcome }) => outcome === 'pending');
    response.end(JSON.stringify({ requests: kept }));
    return;
  }
  const path = request.url ?? '';
  if (/^\/v1\/responses\/./.test(path)) {
    await jobs.ask(path, response);
    return;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
    stream?: boolean;
    messages?: unknown;
    input?: unknown;
  };
  const nonce = nonceIn(JSON.stringify(body.messages ?? body.input ?? null));
  if (nonce === null) throw new Error('a request without a nonce');
  if (kept.length >= MAX_KEPT) throw new Error('more requests than anyone forgets');
  const nth = kept.filter((other) => other.nonce === nonce).length + 1;
  const entry: ProviderRequest = {
    nonce,
    nth,
    isStream: body.stream === true,
    isJob: path === '/v1/responses',
    isDisturbed: isDisturbing(mannerOf(seed, nonce, nth)),
    receivedAt: Date.now(),
    endedAt: null,
    outcome: 'pending',
    billedInputTokens: 0,
    billedOutputTokens: 0,
    sentText: '',
  };
  kept.push(entry);
  if (entry.isJob) {
    await jobs.begin(entry, response);
    return;
  }
  try {
    await answerRequest(seed, entry, path === '/v1/messages' ? anthropicWire : openAiWire, response);
  } finally {
    if (entry.outcome === 'pending') entry.outcome = 'cut';
    entry.endedAt = Date.now();
  }
}
