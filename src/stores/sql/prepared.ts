/**
 * Statements that Kysely compiles once. Building and compiling a query costs more than SQLite takes to run it, so a
 * statement is written with named parameters and later only bound.
 */
import type { Compilable, CompiledQuery } from 'kysely';
import type { Tx } from './schema.ts';

class Parameter {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export interface Prepared<P, R> {
  all(tx: Tx, values: P): Promise<R[]>;
  first(tx: Tx, values: P): Promise<R | undefined>;
  /** Runs it for its effect; gives the number of rows changed. */
  run(tx: Tx, values: P): Promise<number>;
}

/**
 * `prepare((p: { id: string }) => db.selectFrom('calls').selectAll().where('id', '=', p.id))`.
 * A parameter may stand where a value may; it must not decide the shape of the query (no `is null`, no `in` lists).
 */
export function prepare<P extends object, R>(build: (parameters: P) => Compilable<R>): Prepared<P, R> {
  let compiled: CompiledQuery<R> | undefined;

  const bind = (values: P): CompiledQuery<R> => {
    compiled ??= build(placeholders() as P).compile();
    const given = values as Record<string, unknown>;
    const parameters = compiled.parameters.map((slot) => (slot instanceof Parameter ? given[slot.name] : slot));
    return { ...compiled, parameters };
  };

  return {
    all: async (tx, values) => (await tx.executeQuery(bind(values))).rows,
    first: async (tx, values) => (await tx.executeQuery(bind(values))).rows[0],
    run: async (tx, values) => Number((await tx.executeQuery(bind(values))).numAffectedRows ?? 0n),
  };
}

function placeholders(): object {
  return new Proxy({}, { get: (_target, name) => new Parameter(String(name)) });
}
