import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * Removes a database whose first server was killed while it made the tables. The server makes them only when the file
 * is missing, so a half-made one would keep every later server from starting. The namespace comes last and nothing can
 * be stored before it. No server may be running on the file. Returns true when it removed one.
 */
export function removeUnfinishedDatabase(path: string, namespace: string): boolean {
  if (!existsSync(path) || hasNamespace(path, namespace)) return false;
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true });
  return true;
}

function hasNamespace(path: string, namespace: string): boolean {
  const database = new DatabaseSync(path);
  try {
    const table = database.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'namespaces'`).get();
    if (table === undefined) return false;
    return database.prepare('SELECT 1 FROM namespaces WHERE name = ?').get(namespace) !== undefined;
  } finally {
    database.close();
  }
}
