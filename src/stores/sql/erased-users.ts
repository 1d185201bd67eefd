/**
 * The budgets of users who were erased: what they hold and have spent goes on under a pseudonym, window by window, so that
 * a window is the sum of its holds at each moment and an attempt that is still unknown is charged where its hold is.
 */
import type { BudgetPeriod } from '../../core/ports/ledger/budgets.ts';
import type { JsonObject } from '../../core/json.ts';
import { createBudgetWindows, inLockOrder, type WindowKey } from './budget-windows.ts';
import { fromJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import { prepare } from './prepared.ts';
import type { CallsTable, Tx } from './schema.ts';

const PREFIX = 'user:';
const PAGE = 200;

/** Whose scopes: of one tenant or of all, of one handle or of every user. */
export interface ErasedScope {
  tenant: string | null;
  /** The handle; null for all of the tenant. */
  subject: string | null;
}

interface Move {
  key: WindowKey;
  held: bigint;
  spent: bigint;
}

export function createErasedUsers(parts: LedgerParts) {
  const { db } = parts;
  const windows = createBudgetWindows(db);
  const holdsOf = prepare((p: { callId: string; from: string; before: string }) =>
    db
      .selectFrom('holds')
      .selectAll()
      .where('call_id', '=', p.callId)
      .where('scope', '>=', p.from)
      .where('scope', '<', p.before),
  );
  const renameHold = prepare((p: { callId: string; n: number; scope: string; alias: string }) =>
    db
      .updateTable('holds')
      .set({ scope: p.alias })
      .where('call_id', '=', p.callId)
      .where('n', '=', p.n)
      .where('scope', '=', p.scope),
  );
  const windowsOf = prepare((p: { scope: string }) =>
    db.selectFrom('budget_windows').select(['period', 'window_start']).where('scope', '=', p.scope),
  );
  const removeWindow = prepare((p: { scope: string; period: BudgetPeriod; windowStart: number }) =>
    db
      .deleteFrom('budget_windows')
      .where('scope', '=', p.scope)
      .where('period', '=', p.period)
      .where('window_start', '=', p.windowStart)
      .returningAll(),
  );
  const living = prepare((p: { tenant: string; subject: string }) =>
    db
      .selectFrom('calls')
      .select('id')
      .where('subject', '=', p.subject)
      .where('tenant', '=', p.tenant)
      .where('erased_at', 'is', null)
      .limit(1),
  );
  const alerts = prepare((p: { after: number; until: number; limit: number }) =>
    db
      .selectFrom('outbox')
      .selectAll()
      .where('type', '=', 'budget-alert')
      .where('id', '>', p.after)
      .where('at', '<=', p.until)
      .orderBy('id')
      .limit(p.limit),
  );
  const rewriteEvent = prepare((p: { id: number; body: string }) =>
    db.updateTable('outbox').set({ body: p.body }).where('id', '=', p.id),
  );

  /** Makes the windows that gain, and moves all in the order of locks. */
  const move = async (tx: Tx, moves: readonly Move[]): Promise<void> => {
    for (const { key, held, spent } of [...moves].sort((a, b) => inLockOrder(a.key, b.key))) {
      if (isAlias(key.scope)) await windows.touch.first(tx, { ...key, watch: '[]' });
      await windows.move.run(tx, { ...key, heldDelta: held, spentDelta: spent });
    }
  };

  /** What stands in the scope: its user, where the erasure is about it. */
  const userOf = async (scope: string, erased: ErasedScope): Promise<{ tenant: string; subject: string } | null> => {
    const slash = scope.indexOf('/');
    if (!scope.startsWith(PREFIX) || slash < 0 || isAlias(scope)) return null;
    const tenant = scope.slice(PREFIX.length, slash);
    if (erased.tenant !== null && erased.tenant !== tenant) return null;
    const subject = await parts.ownKeys.subjectHandle(scope.slice(slash + 1));
    return erased.subject === null || erased.subject === subject ? { tenant, subject } : null;
  };

  /** The budgets of its users that still stand under their names. */
  async function* budgetsOf(erased: ErasedScope) {
    const prefix = erased.tenant === null ? PREFIX : `${PREFIX}${erased.tenant}/`;
    for (let last = prefix; ;) {
      const page = await parts.read((tx) =>
        windows.scopes.all(tx, { after: last, before: after(prefix), limit: PAGE }),
      );
      for (const { scope } of page) {
        last = scope;
        const user = await userOf(scope, erased);
        if (user) yield { scope, user };
      }
      if (page.length < PAGE) return;
    }
  }

  /** What calls that are deleted by now have spent. Where the user has come back, the scope is in use again, and stays. */
  const moveRest = async (scope: string, user: { tenant: string; subject: string }): Promise<void> => {
    const keys = await parts.read(async (tx) =>
      (await living.first(tx, user)) ? [] : await windowsOf.all(tx, { scope }),
    );
    for (const { period, window_start: windowStart } of keys) {
      await parts.write(async (tx) => {
        const alias = { scope: aliasOf(user.tenant, user.subject), period, windowStart };
        // Both locked, in order, before it is asked again who is there: a call that comes meanwhile waits, or is seen.
        await move(
          tx,
          [{ scope, period, windowStart }, alias].map((key) => ({ key, held: 0n, spent: 0n })),
        );
        if (await living.first(tx, user)) return;
        const gone = await removeWindow.first(tx, { scope, period, windowStart });
        if (gone) await move(tx, [{ key: alias, held: gone.held_nano_usd, spent: gone.spent_nano_usd }]);
      });
    }
  };

  const rewriteAlerts = async (erased: ErasedScope, until: number): Promise<void> => {
    for (let after = 0; ;) {
      const page = await parts.read((tx) => alerts.all(tx, { after, until, limit: PAGE }));
      for (const { id, body } of page) {
        after = id;
        const event = fromJsonText<JsonObject & { scope: string }>(body);
        const user = await userOf(event.scope, erased);
        if (!user) continue;
        const rewritten = JSON.stringify({ ...event, scope: aliasOf(user.tenant, user.subject) });
        await parts.write((tx) => rewriteEvent.run(tx, { id, body: rewritten }));
      }
      if (page.length < PAGE) return;
    }
  };

  return {
    async hasBudgets(erased: ErasedScope): Promise<boolean> {
      const { done } = await budgetsOf(erased).next();
      return done !== true;
    },
    /** Gives the holds of these calls, which the transaction has locked, and their part of the sums to the pseudonyms. */
    async rename(tx: Tx, calls: readonly Pick<CallsTable, 'id' | 'tenant' | 'subject'>[]): Promise<void> {
      const moves = new Map<string, Move>();
      const add = (key: WindowKey, held: bigint, spent: bigint) => {
        const id = JSON.stringify(key);
        const known = moves.get(id) ?? { key, held: 0n, spent: 0n };
        moves.set(id, { key, held: known.held + held, spent: known.spent + spent });
      };
      for (const { id, tenant, subject } of calls) {
        if (subject === null) continue;
        const alias = aliasOf(tenant, subject);
        for (const hold of await holdsOf.all(tx, { callId: id, from: PREFIX, before: after(PREFIX) })) {
          const { n, scope, period, window_start: windowStart, held_nano_usd: held, spent_nano_usd: spent } = hold;
          if (scope === alias) continue;
          add({ scope, period, windowStart }, -held, -spent);
          add({ scope: alias, period, windowStart }, held, spent);
          await renameHold.run(tx, { callId: id, n, scope, alias });
        }
      }
      await move(tx, [...moves.values()]);
    },
    /** What no call leads to any more: sums of calls that were deleted before, and alerts that nobody took yet. */
    async renameRest(erased: ErasedScope, until: number): Promise<void> {
      for await (const { scope, user } of budgetsOf(erased)) await moveRest(scope, user);
      await rewriteAlerts(erased, until);
    },
  };
}

/** No user id is like it: those have no parentheses. */
const ALIAS = '(erased)';

function aliasOf(tenant: string, subject: string): string {
  return `${PREFIX}${tenant}/${ALIAS}${subject}`;
}

function isAlias(scope: string): boolean {
  return scope.startsWith(ALIAS, scope.indexOf('/') + 1);
}

/** The first text after all that begin so. */
function after(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
