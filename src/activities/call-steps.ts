/** The local steps of a call. Each is idempotent by call id: after a crash the engine runs all steps of its task again. */
import { decideAdmission, credentialOf, type AdmissionDeps } from '../governance/admission.ts';
import type { CallInput, CallResult } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { parseNanoUsd } from '../core/money.ts';
import type { CallView, Ledger } from '../core/ports/ledger.ts';
import type { PayloadStore } from '../core/ports/payload-store.ts';
import type { CallRequest, DoorWire } from '../core/ports/provider.ts';
import type { StreamBus } from '../core/ports/stream-bus.ts';
import type { BudgetSettings } from '../core/settings.ts';
import { typedFailures } from './typed-failures.ts';
import type { CallSteps } from './types.ts';

export interface CallStepDeps extends AdmissionDeps {
  ledger: Ledger;
  payloads: PayloadStore;
  bus: StreamBus;
  doorWire(request: CallRequest): DoorWire;
  budgetsOf(tenant: string, key: string | null): readonly BudgetSettings[];
  /** Inspects content that came without a door. @throws HoldfastError `content_blocked`. */
  inspect(request: CallRequest): CallRequest;
  payloadTtlMs: number;
  /** Told of each call that ends here. */
  onCallEnd(call: CallView): void;
}

export function createCallSteps(deps: CallStepDeps): CallSteps {
  /** A call that a trusted caller started without a door has no row yet: its request stands inline. */
  async function withRow(input: CallInput): Promise<CallInput> {
    if (!input.inline) return input;
    const request = deps.inspect(deps.doorWire(input.inline).parseRequest(input.inline.body));
    return deps.ledger.ensureCall(input, Buffer.from(JSON.stringify(request)), deps.payloadTtlMs);
  }

  return typedFailures<CallSteps>({
    async admit(started) {
      const stored = await deps.ledger.storedAdmission(started.callId);
      if (stored) return stored;
      const input = await withRow(started);
      const request = await loadRequest(deps.payloads, input);
      const budgets = deps.budgetsOf(input.principal.tenant, input.principal.key);
      const { request: canonical } = deps.doorWire(request).toCanonical(request);
      const admission = await decideAdmission(deps, { input, canonical, budgets, requestRef: input.requestRef ?? '' });
      const worst = admission.allowed ? admission.plan.candidates[0]?.worstCaseNanoUsd : null;
      return deps.ledger.admit({
        callId: input.callId,
        admission,
        worstCaseNanoUsd: worst == null ? null : parseNanoUsd(worst),
        budgets,
      });
    },
    selectCredential(_callId, candidate) {
      return Promise.resolve({ credential: credentialOf(deps.settings, candidate) });
    },
    async settle(settlement, input) {
      // A call without a door that was stopped before its admission has no row yet; nothing of its content is kept.
      if (input.inline) await deps.ledger.ensureCall(input, new Uint8Array(), deps.payloadTtlMs);
      const call = await deps.ledger.settle(settlement);
      deps.bus.publish(call.id, { type: 'call-end', call });
      deps.onCallEnd(call);
      return resultOf(call);
    },
  });
}

async function loadRequest(payloads: PayloadStore, input: CallInput): Promise<CallRequest> {
  const bytes = input.requestRef === null ? null : await payloads.get(input.requestRef);
  if (!bytes) throw new HoldfastError('engine_unavailable', 'The stored request of this call is missing or expired.');
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as CallRequest;
}

function resultOf(call: CallView): CallResult {
  const last = call.attempts.at(-1);
  return {
    callId: call.id,
    outcome: call.outcome ?? 'failed',
    answerRef: call.answerRef,
    error: call.error,
    provider: last?.provider ?? null,
    model: last?.model ?? null,
    attempts: call.attempts.length,
    costNanoUsd: call.costNanoUsd,
    pricing: call.pricing,
  };
}
