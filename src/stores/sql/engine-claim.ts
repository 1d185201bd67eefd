/** Which engine runs the calls of this ledger: one row, the first that came. */
import type { Ledger } from '../../core/ports/ledger.ts';
import type { SqlContext } from './context.ts';

const ONLY_ROW = 1;

export function createEngineClaim({ write }: SqlContext): Pick<Ledger, 'claimEngine' | 'releaseEngine'> {
  return {
    claimEngine: (engine) =>
      write(async (tx) => {
        await tx
          .insertInto('engine')
          .values({ id: ONLY_ROW, name: engine })
          .onConflict((conflict) => conflict.column('id').doNothing())
          .execute();
        const { name } = await tx.selectFrom('engine').select('name').executeTakeFirstOrThrow();
        return name;
      }),
    releaseEngine: () =>
      write(async (tx) => {
        const found = await tx.selectFrom('engine').select('name').executeTakeFirst();
        await tx.deleteFrom('engine').execute();
        return found?.name ?? null;
      }),
  };
}
