/** The local steps of a call. Each is idempotent by call id: after a crash the engine runs all steps of its task again. */
import type { AttemptRunner } from '../attempts/run-attempt.ts';
import { credentialOf } from '../governance/admission.ts';
import { callResult } from '../core/call/call-result.ts';
import { checkCallId } from '../core/call/check-call-id.ts';
import type { CallInput, Principal } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { subjectOf } from '../core/user-id.ts';
import type { JsonObject } from '../core/json.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { AdmitInput } from '../core/ports/ledger/calls.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import type { FaultPoints } from '../core/ports/fault-points.ts';
import type { PayloadStore } from '../core/ports/payload-store.ts';
import type { CallRequest, DoorWire } from '../core/ports/provider.ts';
import type { StreamBus } from '../core/ports/stream-bus.ts';
import type { Settings } from '../core/settings.ts';
import { parseStoredRequest } from '../ledger/stored-request.ts';
import { typedFailures } from './typed-failures.ts';
import type { CallSteps } from './types.ts';

export interface CallStepDeps {
  settings: Pick<Settings, 'providers'>;
  decide(input: CallInput, asked: { request: CallRequest; canonical: JsonObject }): Promise<Omit<AdmitInput, 'callId'>>;
  ledger: Ledger;
  payloads: PayloadStore;
  bus: StreamBus;
  attempts: Pick<AttemptRunner, 'collect' | 'withdraw'>;
  doorWire(request: CallRequest): DoorWire;
  /** What a door does to content before it is stored. @throws HoldfastError `content_blocked`. */
  prepare(request: CallRequest): CallRequest;
  /** The same for tags, with the user that the request names. @throws HoldfastError `content_blocked`, `invalid_request`. */
  prepareTags(tenant: string, tags: Record<string, string>, endUser: string | null): Record<string, string>;
  /** The team that a key belongs to. */
  teamOf(principal: Principal): Promise<string | undefined>;
  payloadTtlMs: number;
  /** Told of each call that ends here. */
  onCallEnd(call: CallView): void;
  /** Tests only. */
  faults?: FaultPoints | undefined;
  /** Told of unforeseen errors, whose text must not reach history. */
  onDefect(error: unknown): void;
}

export function createCallSteps(deps: CallStepDeps): CallSteps {
  /** A call that a trusted caller started without a door has no row yet: its request stands inline. */
  async function withRow(input: CallInput): Promise<CallInput> {
    if (!input.inline) return input;
    const door = deps.doorWire(input.inline);
    const parsed = door.parseRequest(input.inline.body);
    const request = deps.prepare(parsed);
    const [given, endUser] = [input.tags ?? {}, door.endUser(parsed)];
    const tags = deps.prepareTags(input.principal.tenant, given, endUser);
    const row = await deps.ledger.ensureCall(
      { ...input, tags },
      {
        subject: subjectOf(given, endUser),
        requestBytes: Buffer.from(JSON.stringify(request)),
        payloadTtlMs: deps.payloadTtlMs,
      },
    );
    await deps.faults?.reach('after-row', input.callId);
    // Options of the decision do not stand in the row: a step that runs again has them from its input.
    const { mode, takesRollbacks } = input;
    return { ...row, ...(mode && { mode }), ...(takesRollbacks && { takesRollbacks }) };
  }

  /** The ledger keeps the key of a call, not its team. */
  async function withTeam(input: CallInput, named: string | undefined): Promise<CallInput> {
    const team = named ?? (await deps.teamOf(input.principal));
    return team === undefined ? input : { ...input, principal: { ...input.principal, team } };
  }

  return typedFailures<CallSteps>(
    {
      async admit(started) {
        const stored = await deps.ledger.storedAdmission(started.callId);
        if (stored) return stored;
        if (started.inline) checkCallId(started.callId);
        const input = await withTeam(await withRow(started), started.principal.team);
        const request = await loadRequest(deps.payloads, input);
        const { request: canonical } = deps.doorWire(request).toCanonical(request);
        const decision = withRef(await deps.decide(input, { request, canonical }), input);
        const admission = await deps.ledger.admit({ callId: input.callId, ...decision });
        await deps.faults?.reach('after-hold', input.callId);
        return admission;
      },
      selectCredential(_callId, candidate) {
        return Promise.resolve({ credential: credentialOf(deps.settings, candidate) });
      },
      stopAttempt(callId) {
        deps.bus.requestCancel(callId);
        return Promise.resolve();
      },
      collectAnswer: (order) => deps.attempts.collect(order),
      withdrawAttempt: (order, reason) => deps.attempts.withdraw(order, reason),
      async settle(settlement, input) {
        // A call without a door that was stopped before its admission has no row yet; nothing of its content is kept, and
        // no tag: what was never masked, or was refused for it.
        if (input.inline) {
          const { tags: _tags, ...bare } = input;
          const { payloadTtlMs } = deps;
          await deps.ledger.ensureCall(bare, { subject: null, requestBytes: new Uint8Array(), payloadTtlMs });
        }
        await deps.faults?.reach('before-settle', settlement.callId);
        const call = await deps.ledger.settle(settlement);
        await deps.faults?.reach('after-settle', settlement.callId);
        deps.bus.publish(call.id, { type: 'call-end', call });
        deps.onCallEnd(call);
        return callResult(call);
      },
    },
    deps.onDefect,
  );
}

function withRef(decision: Omit<AdmitInput, 'callId'>, { requestRef }: CallInput): Omit<AdmitInput, 'callId'> {
  const { admission } = decision;
  if (!admission.allowed) return decision;
  return { ...decision, admission: { ...admission, plan: { ...admission.plan, requestRef: requestRef ?? '' } } };
}

async function loadRequest(payloads: PayloadStore, input: CallInput): Promise<CallRequest> {
  const bytes = input.requestRef === null ? null : await payloads.get(input.requestRef);
  if (!bytes) throw new HoldfastError('not_found', 'The stored request of this call is missing or expired.');
  return parseStoredRequest(bytes);
}
