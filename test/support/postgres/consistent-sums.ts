import { expect } from 'vitest';
import type { PostgresCluster } from './cluster.ts';

/**
 * What must hold at every moment: each window's sums are those of its hold rows, an ended call holds only for attempts of
 * unknown outcome, and no call lacks its request. One statement, so one moment.
 */
export async function expectConsistentSums(cluster: PostgresCluster, url: string): Promise<void> {
  const found = await cluster.query(
    url,
    `with sums as (
       select scope, period, window_start, sum(held_nano_usd) as held, sum(spent_nano_usd) as spent
       from holds group by 1, 2, 3
     )
     select
       (select count(*) from budget_windows full join sums using (scope, period, window_start)
        where coalesce(held_nano_usd, 0) <> coalesce(held, 0) or coalesce(spent_nano_usd, 0) <> coalesce(spent, 0))::int
        as wrong_windows,
       (select count(*) from holds join calls on calls.id = holds.call_id
        join attempts on attempts.call_id = holds.call_id and attempts.n = holds.n
        where calls.state = 'ended' and held_nano_usd > 0 and attempts.state <> 'unknown')::int as leaked_holds,
       (select count(*) from calls where erased_at is null and not exists (select 1 from payloads where ref = calls.request_ref))::int
        as half_accepted`,
  );
  expect(found).toEqual([{ wrong_windows: 0, leaked_holds: 0, half_accepted: 0 }]);
}
