/** What the campaign reads of the ledger: over the same HTTP routes that anyone has. */
import { request } from 'undici';
import type { BudgetStatus } from '../../src/core/ports/ledger/budgets.ts';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import { ADMIN_KEY, tenantOf } from './campaign-config.ts';
import type { Target } from './target.ts';

const PAGE = 500;
const MAX_PAGES = 20;

export function createHoldfastApi(url: string): Pick<Target, 'callsOf' | 'callById' | 'openCalls' | 'money'> {
  const send = (path: string) => request(url + path, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });

  async function get<T>(path: string): Promise<T> {
    const { statusCode, body } = await send(path);
    if (statusCode !== 200) throw new Error(`${path} gave ${String(statusCode)}: ${await body.text()}`);
    return (await body.json()) as T;
  }

  return {
    /** The newest pages, up to the first that has none of them: a round's calls stand together. */
    async callsOf(prefix) {
      const found: CallView[] = [];
      let after = '';
      for (let page = 0; page < MAX_PAGES; page++) {
        const { calls, next } = await get<{ calls: CallView[]; next: string | null }>(
          `/api/v1/calls?limit=${String(PAGE)}${after}`,
        );
        const mine = calls.filter(({ tags }) => tags['nonce']?.startsWith(prefix) === true);
        found.push(...mine);
        if (next === null || mine.length < calls.length) return found;
        after = `&after=${encodeURIComponent(next)}`;
      }
      return found;
    },
    async callById(id) {
      const { statusCode, body } = await send(`/api/v1/calls/${encodeURIComponent(id)}`);
      const answer = await body.json();
      return statusCode === 200 ? (answer as CallView) : null;
    },
    async openCalls() {
      const counts = await Promise.all(
        ['accepted', 'admitted', 'running'].map(async (state) => {
          const { calls } = await get<{ calls: CallView[] }>(`/api/v1/calls?limit=${String(PAGE)}&state=${state}`);
          return calls.length;
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async money(round) {
      const { budgets } = await get<{ budgets: BudgetStatus[] }>('/api/v1/budgets');
      const tight = budgets.find(({ scope }) => scope === `tenant:${tenantOf('tight', round)}`);
      return {
        heldNanoUsd: budgets.reduce((sum, { heldNanoUsd }) => sum + BigInt(heldNanoUsd), 0n),
        tightSpentNanoUsd: BigInt(tight?.spentNanoUsd ?? 0),
      };
    },
  };
}
