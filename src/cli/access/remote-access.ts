/** A gateway by its address, over `/api/v1`. */
import { createClient } from '../../client/index.ts';
import { createTransport, type Exchange, type TransportOptions } from '../../client/transport.ts';
import type { SystemAccess } from './system-access.ts';

export function createRemoteAccess(options: TransportOptions): SystemAccess {
  const transport = createTransport(options);
  const client = createClient(options);
  async function ask<T>(method: Exchange['method'], path: string, body?: unknown): Promise<T> {
    return (await transport.json({ method, path: `/api/v1/${path}`, body })).body as T;
  }
  return {
    listCalls: (filter) => ask('GET', `calls?${query({ ...filter })}`),
    getCall: (id) => client.getCall(id).describe(),
    budgets: (page) => ask('GET', `budgets?${query({ ...page })}`),
    providers: () => ask('GET', 'providers'),
    models: () => ask('GET', 'models'),
    keys: () => ask('GET', 'keys'),
    createKey: (key) => ask('POST', 'keys', key),
    revokeKey: (name) => ask('DELETE', `keys/${encodeURIComponent(name)}`),
    erase: (request) => ask('POST', 'erase', request),
    audit: (after, limit) => ask('GET', `audit?${query({ after, limit })}`),
    verifyAudit: () => ask('GET', 'audit/verify'),
    close: () => Promise.resolve(),
  };
}

function query(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) given.set(name, String(value));
  return given.toString();
}
