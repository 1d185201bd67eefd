import { expect, it, onTestFinished, vi } from 'vitest';
import { until } from '../../../test/support/test-node.ts';
import type { LimitedScope } from '../../core/ports/hot-state.ts';
import { createMemoryHotState } from '../../stores/memory/hot-state.ts';
import { accepted, success } from '../../stores/contract/fixture.ts';
import { temporaryLedger } from '../../stores/sqlite/temporary-ledger.ts';
import { createPlaceKeeper } from './place-keeper.ts';

const one: LimitedScope[] = [
  { scope: 'tenant:acme', limits: { requestsPerMinute: null, tokensPerMinute: null, concurrency: 1 } },
];

async function stage() {
  const { ledger } = await temporaryLedger();
  const hot = createMemoryHotState();
  const places = createPlaceKeeper({ hot, ledger, onError: expect.unreachable, everyMs: 20 });
  onTestFinished(() => places.stop());
  return { ledger, hot, places };
}

it('a place is given back when its call has ended in another process', async () => {
  const { ledger, places } = await stage();
  const callId = await accepted(ledger, 'elsewhere');
  (await places.take(one, 1)).keepFor(callId);
  await expect(places.take(one, 1)).rejects.toMatchObject({ code: 'rate_limited' });
  // Another node does this: nobody here is told.
  await ledger.settle(success(callId));
  await until('it is free', () => places.take(one, 1).then(() => true, () => false)); // prettier-ignore
});

it('a request that becomes no call gives its place back, and a call keeps it until its end', async () => {
  const { ledger, places } = await stage();
  const callId = await accepted(ledger, 'here');
  (await places.take(one, 1)).free();
  const place = await places.take(one, 1);
  place.keepFor(callId);
  // The door frees what it took at the end of the request; by then it is the call's.
  place.free();
  await expect(places.take(one, 1)).rejects.toMatchObject({ code: 'rate_limited' });
  places.free(callId);
  (await places.take(one, 1)).free();
});

it('an attempt that another door started has its place here, also after the hot state lost everything', async () => {
  const { ledger, hot, places } = await stage();
  const callId = await accepted(ledger, 'moved');
  places.keep(callId, one);
  await expect(places.take(one, 1)).rejects.toMatchObject({ code: 'rate_limited' });
  hot.free({ name: callId, scopes: one });
  const reclaim = vi.spyOn(hot, 'reclaim');
  places.reclaim();
  // At once, with whatever else runs here.
  expect(reclaim).toHaveBeenCalledExactlyOnceWith([{ name: callId, scopes: one }]);
  await expect(places.take(one, 1)).rejects.toMatchObject({ code: 'rate_limited' });
});
