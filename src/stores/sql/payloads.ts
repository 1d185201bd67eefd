/**
 * Payloads by content, sealed before they reach a statement: the database never sees them in the open.
 *
 * A long content is stored as its parts and a list of them. A conversation sends all that was said before with each turn:
 * stored so, each turn adds only what is new.
 */
import type { PayloadStore } from '../../core/ports/payload-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { PayloadKey } from '../crypto/payload-key.ts';
import type { SqlContext } from './context.ts';
import { StaleKeyError, type DataKeys, type KeyScope } from './data-keys.ts';
import { prepare } from './prepared.ts';
import type { PayloadsTable, Tx } from './schema.ts';

interface Part {
  ref: string;
  bytes: Uint8Array;
}

/** A content on its way into the store: named, not yet sealed. */
export interface NamedPayload {
  ref: string;
  tenant: string;
  key: PayloadKey;
  bytes: Uint8Array;
  /** Of a long content, and of its list where that is long itself; `bytes` are the last list. */
  parts: readonly Part[];
}

export type Payloads = ReturnType<typeof createPayloads>;

/** The stored bytes are not what was stored: no one can read them again, whatever is tried. */
export class DamagedPayloadError extends HoldfastError {
  constructor(ref: string, cause: unknown) {
    super('engine_unavailable', `The payload ${ref} does not decrypt: it was changed. Restore a backup.`);
    this.cause = cause;
  }
}

/** Up to this a content is one row. */
const WHOLE_UP_TO_BYTES = 16 * 1024;
/** Rows of one question to the database. */
const PAGE = 200;
/** Parts live this much of their time longer, so that not every turn must write them again to prolong them. */
const SLACK = 0.25;

export function createPayloads({ db, locks, now }: Pick<SqlContext, 'db' | 'locks' | 'now'>, keys: DataKeys) {
  // The key's row is locked against its destruction until the commit: nothing is ever left sealed by a destroyed key.
  const put = prepare((p: PayloadsTable) =>
    db
      .insertInto('payloads')
      .values((eb) => ({
        ref: p.ref,
        tenant: p.tenant,
        key_id: locks.shared(
          eb.selectFrom('data_keys').select('id').where('id', '=', p.key_id).where('state', '=', 'active'),
        ),
        sealed: p.sealed,
        expires_at: p.expires_at,
      }))
      .onConflict((conflict) =>
        conflict.column('ref').doUpdateSet((eb) => ({
          key_id: eb.ref('excluded.key_id'),
          sealed: eb.ref('excluded.sealed'),
          expires_at: eb
            .case()
            .when('payloads.expires_at', '<', eb.ref('excluded.expires_at'))
            .then(eb.ref('excluded.expires_at'))
            .else(eb.ref('payloads.expires_at'))
            .end(),
        })),
      )
      .returning('key_id'),
  );
  const readable = () =>
    db
      .selectFrom('payloads')
      .innerJoin('data_keys', 'data_keys.id', 'payloads.key_id')
      .select(['payloads.ref', 'payloads.sealed', 'data_keys.id', 'data_keys.wrapped'])
      .where('data_keys.state', '<>', 'destroyed');
  const findAtAnyAge = prepare((p: { ref: string }) => readable().where('payloads.ref', '=', p.ref));
  const find = prepare((p: { ref: string; now: number }) =>
    readable().where('payloads.ref', '=', p.ref).where('payloads.expires_at', '>', p.now),
  );

  const findOfOpenCall = prepare((p: { ref: string }) =>
    readable()
      .where('payloads.ref', '=', p.ref)
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom('calls')
            .select('calls.id')
            .where('calls.state', '<>', 'ended')
            .whereRef('calls.request_ref', '=', 'payloads.ref'),
        ),
      ),
  );

  const write = async (tx: Tx, { tenant, key }: NamedPayload, part: Part, expiresAt: number): Promise<void> => {
    const sealed = key.seal(part.ref, part.bytes);
    const row = await put.first(tx, { ref: part.ref, tenant, sealed, key_id: key.id, expires_at: expiresAt });
    if (row?.key_id !== key.id) throw new StaleKeyError(key.id);
  };

  /** Those of the parts that are there and live until then. */
  const livingParts = async (tx: Tx, parts: readonly Part[], until: number): Promise<Set<string>> => {
    const living = new Set<string>();
    for (let first = 0; first < parts.length; first += PAGE) {
      const refs = parts.slice(first, first + PAGE).map(({ ref }) => ref);
      const query = db.selectFrom('payloads').select('ref').where('ref', 'in', refs).where('expires_at', '>=', until);
      for (const { ref } of (await tx.executeQuery(query.compile())).rows) living.add(ref);
    }
    return living;
  };

  const open = (row: { ref: string; sealed: Uint8Array; id: string; wrapped: Uint8Array }): Uint8Array => {
    const key = keys.of(row);
    try {
      return key.open(row.ref, row.sealed);
    } catch (cause) {
      throw new DamagedPayloadError(row.ref, cause);
    }
  };

  /** Their bytes, in the order of the references; null when one is missing. */
  const readParts = async (tx: Tx, refs: readonly string[]): Promise<Uint8Array | null> => {
    const contents = new Map<string, Uint8Array>();
    for (let first = 0; first < refs.length; first += PAGE) {
      const query = readable().where('payloads.ref', 'in', [...new Set(refs.slice(first, first + PAGE))]);
      for (const row of (await tx.executeQuery(query.compile())).rows) contents.set(row.ref, open(row));
    }
    const ordered: Uint8Array[] = [];
    for (const ref of refs) {
      const content = contents.get(ref);
      if (!content) return null;
      ordered.push(content);
    }
    return Buffer.concat(ordered);
  };

  /** @param onList is told of the parts of each list on the way. */
  const expand = async (
    tx: Tx,
    ref: string,
    bytes: Uint8Array,
    onList: (refs: readonly string[]) => Promise<void> = () => Promise.resolve(),
  ): Promise<Uint8Array | null> => {
    let content: Uint8Array | null = bytes;
    for (let depth = depthOf(ref); content && depth > 0; depth -= 1) {
      const refs = refsIn(content);
      await onList(refs);
      content = await readParts(tx, refs);
    }
    return content;
  };

  return {
    /** Names the content with the key of its scope. */
    async name(tx: Tx, scope: KeyScope, bytes: Uint8Array): Promise<NamedPayload> {
      const key = await keys.current(tx, scope);
      const { tenant } = scope;
      const parts: Part[] = [];
      let content = bytes;
      let depth = 0;
      for (; content.length > WHOLE_UP_TO_BYTES; depth += 1) {
        const cut = key.split(content).map((part) => ({ ref: key.nameOf('p', part), bytes: part }));
        parts.push(...cut);
        content = Buffer.from(cut.map(({ ref }) => ref).join(' '));
      }
      const ref = key.nameOf(depth === 0 ? 'p' : `m${depth}`, content);
      return { ref, tenant, key, bytes: content, parts };
    },
    /** @throws StaleKeyError when its key was replaced or destroyed; the transaction must end, and may begin again. */
    async put(tx: Tx, payload: NamedPayload, expiresAt: number): Promise<void> {
      await write(tx, payload, payload, expiresAt);
      if (payload.parts.length === 0) return;
      const living = await livingParts(tx, payload.parts, expiresAt);
      const missing = new Map(
        payload.parts.flatMap((part) => (living.has(part.ref) ? [] : [[part.ref, part] as const])),
      );
      const until = expiresAt + Math.round((expiresAt - now()) * SLACK);
      // In one order, so that two of one conversation never wait on each other.
      for (const ref of [...missing.keys()].sort()) {
        const part = missing.get(ref);
        if (part) await write(tx, payload, part, until);
      }
    },
    /** Keeps a content that is needed beyond its time, with its parts. @throws DamagedPayloadError */
    async prolong(tx: Tx, ref: string, until: number): Promise<void> {
      const row = await findAtAnyAge.first(tx, { ref });
      if (!row) return;
      const prolongAll = async (refs: readonly string[]) => {
        for (let first = 0; first < refs.length; first += PAGE) {
          await tx
            .updateTable('payloads')
            .set({ expires_at: until })
            .where('ref', 'in', refs.slice(first, first + PAGE))
            .where('expires_at', '<', until)
            .execute();
        }
      };
      await expand(tx, ref, open(row), prolongAll);
      await prolongAll([ref]);
    },
    async get(tx: Tx, ref: string): Promise<Uint8Array | null> {
      // An open call has its request for as long as it runs, also where nothing has prolonged it in time.
      const row = (await find.first(tx, { ref, now: now() })) ?? (await findOfOpenCall.first(tx, { ref }));
      return row ? expand(tx, ref, open(row)) : null;
    },
  };
}

/** How many lists stand between a reference and its content. */
function depthOf(ref: string): number {
  return Number(/^m(\d+)_/.exec(ref)?.[1] ?? 0);
}

function refsIn(list: Uint8Array): string[] {
  return Buffer.from(list).toString('utf8').split(' ');
}

export function createPayloadStore(context: SqlContext, payloads: Payloads): PayloadStore {
  return {
    put: (tenant, bytes, expiresAt) =>
      context.write(async (tx) => {
        const payload = await payloads.name(tx, { tenant, subject: null }, bytes);
        await payloads.put(tx, payload, expiresAt);
        return payload.ref;
      }),
    get: (ref) => context.read((tx) => payloads.get(tx, ref)),
  };
}
