/** How long after a cancel the socket at the provider closes, by each way in which a call is cancelled. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { ProviderEvent } from './hanging-provider.ts';
import type { Stand } from './stand.ts';

const CANCELS = 60;

export interface HangingProvider {
  url: string;
  /** The next event of this type; gives its time in nanoseconds. */
  next(type: 'asked' | 'closed'): Promise<bigint>;
  stop(): void;
}

export async function startHangingProvider(): Promise<HangingProvider> {
  const child: ChildProcess = fork(fileURLToPath(new URL('hanging-provider.ts', import.meta.url)));
  const [first] = (await once(child, 'message')) as [ProviderEvent];
  if (first.type !== 'listening') throw new Error('the provider does not listen');
  return {
    url: first.url,
    async next(type) {
      for (;;) {
        const [event] = (await once(child, 'message')) as [ProviderEvent];
        if (event.type === type) return BigInt(event.at);
      }
    },
    stop: () => child.kill(),
  };
}

/** The ways in which a call is cancelled, each with its times in milliseconds. */
export async function measureCancel(stand: Stand, provider: HangingProvider): Promise<Map<string, number[]>> {
  const ways: [string, (call: { id: string; leave: () => void }) => unknown][] = [
    ['its client closes the connection', ({ leave }) => leave()],
    ['`POST /api/v1/calls/{id}/cancel`', ({ id }) => post(`${stand.url}/api/v1/calls/${id}/cancel`)],
    ['the workflow is cancelled in Temporal', ({ id }) => stand.client.workflow.getHandle(id).cancel()],
  ];
  const times = new Map(ways.map(([way]) => [way, [] as number[]]));
  for (let round = 0; round < CANCELS; round++) {
    for (const [way, cancel] of ways) {
      const leaving = new AbortController();
      const asked = provider.next('asked');
      const response = await request(`${stand.url}/v1/chat/completions`, {
        method: 'POST',
        signal: leaving.signal,
        body: JSON.stringify({
          model: 'hanging/sim-small',
          stream: true,
          max_tokens: 10,
          messages: [{ role: 'user', content: 'x' }],
        }),
      });
      await asked;
      // It ends with an abort or an error event: neither is of interest here.
      const read = response.body.text().catch(() => '');
      const id = String(response.headers['x-holdfast-call-id']);
      const closed = provider.next('closed');
      const from = process.hrtime.bigint();
      const cancelled = cancel({ id, leave: () => leaving.abort() });
      times.get(way)?.push(Number((await closed) - from) / 1e6);
      await cancelled;
      await read;
      await stand.client.workflow.getHandle(id).result();
    }
  }
  return times;
}

async function post(url: string): Promise<void> {
  const response = await request(url, { method: 'POST' });
  await response.body.dump();
}
