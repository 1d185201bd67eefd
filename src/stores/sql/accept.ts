/** Accepting a call: the row, the request and the key's claim in one transaction. */
import type { CallInput } from '../../core/call/types.ts';
import { errorTable } from '../../core/errors.ts';
import type { ErrorRecord } from '../../core/errors.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AcceptInput, AcceptResult, AdmitInput, IdempotencyClaim, Joined } from '../../core/ports/ledger/calls.ts';
import { createAdmitInTransaction } from './admit.ts';
import { callInputOf } from './calls.ts';
import type { KeyScope } from './data-keys.ts';
import { fromNullableJsonText } from './json-text.ts';
import type { LedgerParts } from './parts.ts';
import type { CallsTable, Tx } from './schema.ts';

const FIRST_GENERATION = 1;

/** Where the content of a call is, and whose it is. */
interface Place {
  requestRef: string;
  subject: string | null;
}

type Known = Exclude<AcceptResult, { status: 'accepted' }>;

export function createAccept(parts: LedgerParts): Pick<Ledger, 'accept' | 'ensureCall' | 'lookUpKey'> {
  const { calls, locks, payloads } = parts;
  const admit = createAdmitInTransaction(parts);

  const acceptWithoutKey = async (tx: Tx, input: AcceptInput, place: Place): Promise<AcceptResult> => {
    const callInput: CallInput = {
      ...input.call,
      callId: input.callIdFor(FIRST_GENERATION),
      requestRef: place.requestRef,
    };
    const isNew = await calls.insert(tx, callInput, place.subject, parts.now(), input.repeat);
    if (isNew) return { status: 'accepted', input: callInput };
    return { status: 'accepted', input: callInputOf(await calls.get(tx, callInput.callId)) };
  };

  /** The call that a key stands for, or the generation that its next call has. */
  const standingOf = async (
    tx: Tx,
    tenant: string,
    claim: IdempotencyClaim,
  ): Promise<{ result: Known } | { result: null; generation: number }> => {
    const row = await parts.idempotency.find.first(tx, { tenant, key: claim.key });
    if (!row) return { result: null, generation: FIRST_GENERATION };
    const standing = await calls.find(tx, row.call_id);
    // The time of a key is for what has ended: for as long as its call runs, it stands for it.
    const isCurrent = row.expires_at > parts.now() || (standing !== undefined && standing.state !== 'ended');
    const call = isCurrent ? standing : undefined;
    // What the key was used with can be compared no more once it was erased.
    if (isCurrent && row.body_hash !== claim.bodyHash && call?.erased_at == null) {
      return { result: { status: 'conflict', callId: row.call_id } };
    }
    if (call && !opensNextGeneration(call)) return { result: joined(call) };
    return { result: null, generation: row.generation + 1 };
  };

  const acceptWithKey = async (
    tx: Tx,
    input: AcceptInput,
    claim: IdempotencyClaim,
    place: Place,
  ): Promise<AcceptResult> => {
    const now = parts.now();
    const { tenant } = input.call.principal;
    // A key that nobody has used yet has no row to lock.
    await locks.name(tx, `idempotency ${JSON.stringify([tenant, claim.key])}`);
    const known = await standingOf(tx, tenant, claim);
    if (known.result) return known.result;
    let { generation } = known;
    for (; ; generation += 1) {
      const callInput: CallInput = { ...input.call, callId: input.callIdFor(generation), requestRef: place.requestRef };
      const isNew = await calls.insert(tx, callInput, place.subject, now);
      // A trusted client without the ledger may have derived the same id and been here first.
      const other = isNew ? null : await calls.get(tx, callInput.callId);
      if (other && opensNextGeneration(other)) continue;
      await parts.idempotency.put.run(tx, {
        tenant,
        idem_key: claim.key,
        call_id: callInput.callId,
        body_hash: claim.bodyHash,
        generation,
        expires_at: now + claim.ttlMs,
      });
      return other ? joined(other) : { status: 'accepted', input: callInput };
    }
  };

  const scopeOf = async (tenant: string, subject: string | null): Promise<KeyScope> => ({
    tenant,
    subject: subject === null ? null : await parts.ownKeys.subjectHandle(subject),
  });

  const admitted = async (tx: Tx, decision: Omit<AdmitInput, 'callId'>, input: CallInput): Promise<CallInput> => {
    const { callId, requestRef } = input;
    const admission = decision.admission.allowed
      ? { ...decision.admission, plan: { ...decision.admission.plan, requestRef: requestRef ?? '' } }
      : decision.admission;
    return { ...input, admission: await admit(tx, { ...decision, admission, callId }) };
  };

  return {
    lookUpKey: (tenant, claim) => parts.read(async (tx) => (await standingOf(tx, tenant, claim)).result),
    async accept(input) {
      const scope = await scopeOf(input.call.principal.tenant, input.subject);
      return parts.write(async (tx) => {
        const payload = await payloads.name(tx, scope, input.requestBytes);
        const place = { requestRef: payload.ref, subject: scope.subject };
        const result = input.idempotency
          ? await acceptWithKey(tx, input, input.idempotency, place)
          : await acceptWithoutKey(tx, input, place);
        if (result.status !== 'accepted') return result;
        await payloads.put(tx, payload, parts.now() + input.payloadTtlMs);
        return input.admission ? { ...result, input: await admitted(tx, input.admission, result.input) } : result;
      });
    },
    async ensureCall(input, { subject, requestBytes, payloadTtlMs }) {
      const scope = await scopeOf(input.principal.tenant, subject);
      return parts.write(async (tx) => {
        const known = await calls.find(tx, input.callId);
        if (known) return callInputOf(known);
        const { inline: _inTheCallersHistory, ...rest } = input;
        const payload = await payloads.name(tx, scope, requestBytes);
        const stored: CallInput = { ...rest, requestRef: payload.ref };
        const isNew = await calls.insert(tx, stored, scope.subject, parts.now());
        if (!isNew) return callInputOf(await calls.get(tx, input.callId));
        await payloads.put(tx, payload, parts.now() + payloadTtlMs);
        return stored;
      });
    },
  };
}

/** A call that is there already, as who comes back for it gets it. */
export function joined(call: CallsTable): Joined {
  if (call.state === 'ended') return { status: 'replay', callId: call.id };
  return { status: 'attached', callId: call.id, ...(call.state !== 'running' && { unstarted: callInputOf(call) }) };
}

/** Answers and final failures are given again; a failure that invites a retry, a cancelled and a denied call are not. */
function opensNextGeneration(call: CallsTable): boolean {
  if (call.state !== 'ended' || call.outcome === 'succeeded') return false;
  // Of a denied call nothing was sent: there is nothing to pay twice, and who asks next may be another, or have more budget.
  if (call.outcome === 'cancelled' || call.outcome === 'denied') return true;
  const error = fromNullableJsonText<ErrorRecord>(call.error);
  return error !== null && (error.code === 'cancelled' || errorTable[error.code].sdkMayRetry);
}
