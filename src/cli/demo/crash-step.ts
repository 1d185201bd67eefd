/** The process dies in the middle of a call, and the call is answered all the same. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../core/errors.ts';
import type { Simulator } from '../../simulator/simulator.ts';
import { ask, must, textOfAnswer, type DemoStep } from './demo-step.ts';

const SEEN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 10;

export const crashStep: DemoStep = {
  title: 'kill -9 in mid-call: the call is answered after a restart',
  async run({ client, simulator, up, say, signal }) {
    const request = ask('demo-crash', 'Will you remember me?');
    const options = { idempotencyKey: `demo-${randomUUID()}`, signal };
    const before = simulator.count;
    const lost = client.call(request, options).then(
      () => null,
      (error: unknown) => error,
    );
    await requestSeen(simulator, before, signal);
    say(`the provider works on the request; SIGKILL to process ${String(up.pid)}`);
    await up.kill();
    must(HoldfastError.is(await lost), 'the connection of the first request breaks');

    say('the caller lost its connection; starting again on the same home');
    await up.start();
    say(`process ${String(up.pid)} is up; the same request with the same key`);
    say('the node tells the engine that the attempt was lost, and it is tried again ...');
    const { callId, answer } = await client.call(request, options);
    must(textOfAnswer(answer).includes('[simulated]'), 'the repeated request is answered');

    const { attempts } = await client.getCall(callId).describe({ signal });
    must(attempts[0]?.state === 'unknown', 'the interrupted attempt is recorded as unknown');
    must(attempts.at(-1)?.state === 'settled', 'the last attempt is answered');
    const hits = simulator.count - before;
    must(hits === attempts.length, 'every provider hit has its attempt on record');
    for (const { n, state } of attempts)
      say(
        `attempt ${String(n)} -> ${state === 'unknown' ? 'unknown: sent, outcome lost, its hold stands' : 'answered'}`,
      );
    say(`answered under the same call id; ${String(hits)} provider hits, each on record`);
    return [callId];
  },
};

async function requestSeen(simulator: Simulator, before: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + SEEN_WITHIN_MS;
  while (simulator.count === before) {
    must(performance.now() < deadline, 'the provider sees the request');
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}
