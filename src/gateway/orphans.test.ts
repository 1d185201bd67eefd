import { expect, it } from 'vitest';
import type { OpenCall } from '../core/ports/ledger.ts';
import type { CallRequest } from '../core/ports/provider.ts';
import { findOrphans } from './orphans.ts';

const requestOf = (content: string): CallRequest => ({ wire: 'openai-chat', stream: false, body: { content } });

function openCall(
  callId: string,
  content: string,
  change: Partial<OpenCall> = {},
  key: string | null = null,
): OpenCall {
  const principal = { tenant: 'acme', key, models: null };
  const input = { callId, kind: 'chat', model: 'm', principal, requestRef: content } as const;
  return { input, state: 'running', createdAt: 0, isKeyed: false, ...change };
}

async function stage(calls: OpenCall[]) {
  const clock = { now: 1_000 };
  const errors: unknown[] = [];
  const orphans = await findOrphans({
    ledger: { openCalls: (_before, limit, skip = 0) => Promise.resolve(calls.slice(skip, skip + limit)) },
    requestOf: (ref) =>
      ref === 'damaged' ? Promise.reject(new Error(ref)) : Promise.resolve(ref === 'expired' ? null : requestOf(ref)),
    hashBody: (tenant, body) => `${tenant} ${JSON.stringify(body)}`,
    now: () => clock.now,
    onError: (error) => errors.push(error),
  });
  const take = (content: string, tenant = 'acme', key: string | null = null) =>
    orphans.take({ tenant, key }, requestOf(content));
  return { take, clock, errors };
}

it('gives each repeat a call of its own, the oldest first, and then none', async () => {
  const { take } = await stage([openCall('first', 'hello'), openCall('second', 'hello'), openCall('other', 'bye')]);
  expect([take('hello'), take('hello'), take('hello'), take('bye')]).toEqual(['first', 'second', null, 'other']);
});

it("never gives another caller's call, nor one that has a key or whose request has expired", async () => {
  const { take, errors } = await stage([
    openCall('of app', 'hello', {}, 'app'),
    openCall('keyed', 'keyed', { isKeyed: true }),
    openCall('expired', 'expired'),
    openCall('damaged', 'damaged'),
  ]);
  expect([take('hello'), take('hello', 'acme', 'web'), take('hello', 'evil', 'app')]).toEqual([null, null, null]);
  expect([take('keyed'), take('expired'), take('damaged')]).toEqual([null, null, null]);
  expect(errors).toMatchObject([{ message: 'damaged' }]);
  expect(take('hello', 'acme', 'app')).toBe('of app');
});

it('waits ten minutes for repeats, no longer', async () => {
  const { take, clock } = await stage([openCall('a', 'hello'), openCall('b', 'hello')]);
  clock.now += 599_999;
  expect(take('hello')).toBe('a');
  clock.now += 1;
  expect(take('hello')).toBeNull();
});
