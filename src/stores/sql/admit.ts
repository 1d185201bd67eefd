/** The decision of an admission, stored with the first attempt's reservation and hold. */
import type { Admission, RoutePlan } from '../../core/call/types.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AdmitInput } from '../../core/ports/ledger/calls.ts';
import { fromNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import type { CallsTable, Tx } from './schema.ts';

/** Decides within a transaction that another verb has begun. */
export type AdmitInTransaction = (tx: Tx, input: AdmitInput) => Promise<Admission>;

export function createAdmitInTransaction(parts: LedgerParts): AdmitInTransaction {
  const { calls, attempts, holds } = parts;

  const reserve = async (tx: Tx, input: AdmitInput, plan: RoutePlan): Promise<Admission> => {
    const candidate = plan.candidates[0];
    if (!candidate) return { allowed: true, plan };
    const now = parts.now();
    const error = await holds.refusal(tx, input.budgets, input.worstCaseNanoUsd, now);
    if (error) return { allowed: false, decisionId: plan.decisionId, error };
    await attempts.insert.run(tx, {
      call_id: input.callId,
      n: 1,
      order_no: 1,
      owner: null,
      state: 'reserved',
      provider: candidate.provider,
      model: candidate.model,
      credential: plan.first.credential,
      worst_case_nano_usd: input.worstCaseNanoUsd,
      started_at: now,
      ended_at: null,
      error_code: null,
      failure: null,
    });
    await holds.make(tx, { callId: input.callId, n: 1 }, input.budgets, input.worstCaseNanoUsd, now);
    return { allowed: true, plan };
  };

  return async (tx, input) => {
    const call = await calls.get(tx, input.callId);
    const stored = admissionOf(call);
    if (stored) return stored;
    if (call.state === 'ended') return endedBeforeAdmission(input);
    const { admission } = input;
    const decided = admission.allowed ? await reserve(tx, input, admission.plan) : admission;
    await calls.setAdmission(tx, input.callId, 'admitted', decided);
    return decided;
  };
}

export function createAdmit(parts: LedgerParts): Pick<Ledger, 'admit' | 'storedAdmission'> {
  const admit = createAdmitInTransaction(parts);
  return {
    storedAdmission: async (callId) =>
      (await parts.read((tx) => parts.calls.find(tx, callId)).then(admissionOf)) ?? null,
    admit: (input) => parts.write((tx) => admit(tx, input)),
  };
}

function admissionOf(call: CallsTable | undefined): Admission | null {
  return fromNullableJsonText<Admission>(call?.admission ?? null);
}

function endedBeforeAdmission({ admission }: AdmitInput): Admission {
  return {
    allowed: false,
    decisionId: admission.allowed ? admission.plan.decisionId : admission.decisionId,
    error: { code: 'cancelled', message: 'The call ended before it was admitted.', source: 'gateway' },
  };
}
