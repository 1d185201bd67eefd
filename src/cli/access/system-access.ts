/** What the commands ask of a Holdfast, wherever it is: the home on this machine, or a gateway by its address. */
import type { CallDescription } from '../../client/index.ts';
import type { CallFilter } from '../../core/ports/ledger/calls.ts';
import type { Administration, EraseRequest, NewKey } from '../../gateway/administration.ts';
import type { BudgetPage } from '../../gateway/list-budgets.ts';

type Answer<K extends keyof Administration> = Awaited<ReturnType<Administration[K]>>;

export interface SystemAccess {
  listCalls(filter: CallFilter): Promise<{ calls: CallDescription[]; next: string | null }>;
  /** @throws HoldfastError `not_found`. */
  getCall(id: string): Promise<CallDescription>;
  budgets(page?: BudgetPage): Promise<Answer<'budgets'>>;
  providers(): Promise<Answer<'providers'>>;
  models(): Promise<Answer<'models'>>;
  keys(): Promise<Answer<'keys'>>;
  /** @throws HoldfastError `invalid_request` for a bad name, a name that is taken, or an unknown tenant. */
  createKey(key: NewKey): Promise<Answer<'createKey'>>;
  /** @throws HoldfastError `not_found`. */
  revokeKey(name: string): Promise<{ entry: Answer<'revokeKey'> }>;
  /** @throws HoldfastError `invalid_request` while calls of it are open; nothing is erased then. */
  erase(request: EraseRequest): Promise<Answer<'erase'>>;
  audit(afterSeq: number, limit: number): Promise<Answer<'audit'>>;
  verifyAudit(): Promise<Answer<'verifyAudit'>>;
  close(): Promise<void>;
}
