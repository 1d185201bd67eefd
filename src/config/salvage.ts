/**
 * What is left of a configuration once the values of the wrong shape are taken out: enough to go on looking for broken
 * references, so that one run shows every mistake.
 */
import { configSchema, type ConfigFile } from './schema.ts';

export interface Salvage {
  file: ConfigFile;
  /** What was taken out. */
  removed: PropertyKey[][];
}

/** Each round takes out what the round before uncovered: a missing field takes its entry along. */
const MAX_ROUNDS = 8;

export function salvage(value: unknown): Salvage | null {
  const rest = structuredClone(value);
  const removed: PropertyKey[][] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const parsed = configSchema.safeParse(rest);
    if (parsed.success) return { file: parsed.data, removed };
    for (const issue of parsed.error.issues) {
      const paths =
        issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [[...issue.path]];
      for (const path of paths) {
        const taken = takeOut(rest, path);
        if (!taken) return null;
        removed.push(taken);
      }
    }
  }
  return null;
}

/** Deletes what stands at the path, or the entry around it that is there. Lists go as a whole: others keep their index. */
function takeOut(root: unknown, path: readonly PropertyKey[]): PropertyKey[] | null {
  for (let length = path.length; length > 0; length--) {
    const parent = path.slice(0, length - 1).reduce<unknown>((at, key) => fieldOf(at, key), root);
    const key = path[length - 1];
    if (key === undefined || typeof parent !== 'object' || parent === null || Array.isArray(parent)) continue;
    if (!Reflect.has(parent, key)) continue;
    Reflect.deleteProperty(parent, key);
    return path.slice(0, length);
  }
  return null;
}

function fieldOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? (Reflect.get(value, key) as unknown) : undefined;
}
