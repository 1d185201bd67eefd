/** The home on this machine, without a gateway. Whoever may read its files may do everything. */
import type { CallDescription } from '../../client/index.ts';
import { loadSettings } from '../../config/load.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import { createAdministration, newKeySchema, type AdministrationLedger } from '../../gateway/administration.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { checkInput } from './check-input.ts';
import { openHomeStores, type HomeStores } from './home-stores.ts';
import type { SystemAccess } from './system-access.ts';

/** Who did it, in the audit log. */
export const LOCAL_ACTOR = 'local';

export function createLocalAccess(home: string, env: NodeJS.ProcessEnv): SystemAccess {
  const stores = openHomeStores(home, env);
  // The configuration is read, and the ledger opened, only by what needs it: calls can be looked at under a broken
  // configuration, and providers without a ledger.
  const administration = () =>
    createAdministration({
      settings: loadSettings({ env, adapters: providerAdapters }),
      ledger: lazyLedger(stores),
      adapters: providerAdapters,
    });
  return {
    async listCalls(filter) {
      const { calls, next } = await (await stores.ledger()).listCalls(filter);
      return { calls: calls.map(describe), next };
    },
    async getCall(id) {
      const call = await (await stores.ledger()).getCall(id);
      if (!call) throw new HoldfastError('not_found', 'There is no such call.');
      return describe(call);
    },
    // async: an error of the configuration is a rejection, as everywhere else.
    budgets: async (page) => administration().budgets(null, page),
    providers: async () => Promise.resolve(administration().providers()),
    models: async () => Promise.resolve(administration().models()),
    keys: async () => administration().keys(),
    async createKey(given) {
      return administration().createKey(checkInput(newKeySchema, given, 'key'), LOCAL_ACTOR);
    },
    async revokeKey(name) {
      return { entry: await administration().revokeKey(name, LOCAL_ACTOR) };
    },
    erase: async ({ tenant = null, subject = null }) =>
      (await stores.ledger()).erase({ tenant, subject, actor: LOCAL_ACTOR }),
    audit: async (afterSeq, limit) => ({ entries: await (await stores.ledger()).listAudit(afterSeq, limit) }),
    verifyAudit: async () => (await stores.ledger()).verifyAudit(),
    close: () => stores.close(),
  };
}

function lazyLedger(stores: HomeStores): AdministrationLedger {
  return {
    budgetStatus: async (budgets) => (await stores.ledger()).budgetStatus(budgets),
    budgetScopes: async (prefix, after, limit) => (await stores.ledger()).budgetScopes(prefix, after, limit),
    createKey: async (...args) => (await stores.ledger({ mayCreate: true })).createKey(...args),
    listKeys: async () => (await stores.ledger()).listKeys(),
    revokeKey: async (...args) => (await stores.ledger()).revokeKey(...args),
    erase: async (input) => (await stores.ledger()).erase(input),
    listAudit: async (afterSeq, limit) => (await stores.ledger()).listAudit(afterSeq, limit),
    verifyAudit: async () => (await stores.ledger()).verifyAudit(),
  };
}

/** As the API shows it: references into the payload store, and which door gave the answer, are no one's business. */
function describe({
  requestRef: _request,
  answerRef: _answer,
  isOwed: _isOwed,
  error,
  ...call
}: CallView): CallDescription {
  return { ...call, error: error && { code: error.code, message: error.message, source: error.source } };
}
