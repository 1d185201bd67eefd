/**
 * Calls as the doors start and follow them: admission at the door, one ledger transaction, then the workflow. After
 * `start` returned a call id the call is answered whatever happens to this process.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Admission, CallInput, CallKind, CallMode, Principal } from '../../core/call/types.ts';
import type { StoredAnswer } from '../../core/call/stored-answer.ts';
import { HoldfastError, type ErrorCode } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { LimitedScope } from '../../core/ports/hot-state.ts';
import type { Ledger } from '../../core/ports/ledger.ts';
import type { AcceptResult, AdmitInput, IdempotencyClaim, Joined } from '../../core/ports/ledger/calls.ts';
import type { CallView } from '../../core/ports/ledger/views.ts';
import type { FaultPoints } from '../../core/ports/fault-points.ts';
import type { PayloadStore } from '../../core/ports/payload-store.ts';
import type { CallRequest, DoorWire } from '../../core/ports/provider.ts';
import type { BusMessage, StreamBus } from '../../core/ports/stream-bus.ts';
import { subjectOf } from '../../core/user-id.ts';
import type { Caller } from '../../governance/authenticate.ts';
import type { CallEngine } from './call-engine.ts';
import { parseStoredRequest } from '../../ledger/stored-request.ts';
import type { EndWatch } from './end-watch.ts';
import { createCancelCall } from './cancel-call.ts';
import { createDebts } from './debts.ts';
import { createCallFollower } from './follow-call.ts';
import type { Orphans } from './orphans.ts';
import type { PlaceKeeper } from './place-keeper.ts';

export interface CallServiceDeps {
  ledger: Ledger;
  payloads: PayloadStore;
  bus: StreamBus;
  engine: CallEngine;
  endWatch: EndWatch;
  orphans: Orphans;
  /** Names this process, whose clients wait at its door. */
  door: string;
  places: PlaceKeeper;
  /** The scopes whose limits a call meets. */
  scopesOf(call: { principal: Principal; tags: Record<string, string> }): readonly LimitedScope[];
  /** Blocks, redacts, bounds the output. @throws HoldfastError `content_blocked`. */
  prepare(request: CallRequest): CallRequest;
  /**
   * Blocks or redacts what stands in tags, and adds the user that the request names.
   * @throws HoldfastError `content_blocked`, `invalid_request` for a user id that cannot be kept.
   */
  prepareTags(tenant: string, tags: Record<string, string>, endUser: string | null): Record<string, string>;
  /** Governance: whether the call may go ahead and along which route, with what it may cost at first. */
  decide(
    input: Omit<CallInput, 'callId' | 'requestRef'>,
    asked: { request: CallRequest; canonical: JsonObject },
  ): Promise<Omit<AdmitInput, 'callId'>>;
  /** Why this caller may not be given what such a call says; null when it may. Budgets and limits are no part of it. */
  refusalOf(call: Pick<CallInput, 'kind' | 'model' | 'principal' | 'tags'>): Promise<HoldfastError | null>;
  estimateTokens(canonical: JsonObject): number;
  hashBody(tenant: string, body: JsonObject): string;
  /** A keyed hash of everything that a request says. */
  hashRepeat(tenant: string, asked: string): string;
  newCallId(): string;
  deriveCallId(tenant: string, key: string, generation: number): string;
  /** Tests only. */
  faults?: FaultPoints | undefined;
  idempotencyTtlMs: number;
  payloadTtlMs: number;
  onError(error: unknown): void;
}

export interface StartCall {
  caller: Caller;
  kind: CallKind;
  door: DoorWire;
  body: unknown;
  /** Those of the request: some wires read options from them. */
  headers: IncomingHttpHeaders;
  idempotencyKey: string | null;
  tags: Record<string, string>;
  /** Default: as the route says. */
  mode?: CallMode | null;
  /** The caller takes an `attempt-rollback` in its stream: text that it got does not bar another attempt. */
  takesRollbacks?: boolean;
  /** An SDK sends this request once more: without a key it may take over the call that its earlier try made. */
  isSdkRetry?: boolean;
  /** The id of the call whose stream is taken up again: nothing is started where the key stands for no call, or another. */
  resumes?: string | null;
}

export interface StartedCall {
  callId: string;
  request: CallRequest;
  /** False when an earlier request with the same key made the call. */
  isNew: boolean;
  /** What the call says while it runs, from its beginning where this process ran it. Ends with the call. */
  follow(signal: AbortSignal): AsyncIterable<BusMessage[]>;
}

export interface CallService {
  start(start: StartCall): Promise<StartedCall>;
  /** Messages of any call; for one that runs elsewhere or has ended, at least its `call-end`. */
  follow(callId: string, signal: AbortSignal): AsyncIterable<BusMessage[]>;
  /** Resolves when the call has ended. */
  waitForEnd(callId: string, signal: AbortSignal): Promise<CallView>;
  answerOf(call: CallView): Promise<StoredAnswer>;
  /**
   * The answer, read where it is not at hand, for a client that is given it now: nobody else is from here on, unless the
   * client is gone already.
   */
  give(call: CallView, stored: StoredAnswer | null, client: AbortSignal): Promise<StoredAnswer>;
  requestOf(call: CallView): Promise<CallRequest | null>;
  cancel(callId: string): Promise<void>;
  /**
   * The last client of this door left and wants the call cancelled. Where it has ended, or cannot be cancelled, a repeat may
   * take it. Never rejects: what fails is reported.
   */
  abandon(callId: string): Promise<void>;
  /**
   * The client of a call without a key left this door or was turned away, and the call goes on: a repeat may take it. Never
   * rejects; where the ledger is away this is tried again for a while, behind its first try.
   */
  leave(callId: string): Promise<void>;
  /** To be told of every call that ends in this process, so that its place under the concurrency limit frees. */
  onCallEnd(call: CallView): void;
}

/** What is wrong with the request whoever sends it starts nothing; a denial of this caller is a call that ends denied. */
const UNSERVABLE: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'not_found',
  'capability_missing',
  'context_too_long',
]);

function refuseUnservable(admission: Admission): void {
  if (!admission.allowed && UNSERVABLE.has(admission.error.code)) throw HoldfastError.from(admission.error);
}

function nothingToResume(hasKey: boolean): HoldfastError {
  return new HoldfastError(
    'invalid_request',
    hasKey
      ? 'The Last-Event-ID is of another call than the one that this Idempotency-Key stands for.'
      : 'A stream is resumed with the Idempotency-Key of its request, or at /api/v1/calls/{id}/stream.',
    { param: 'Last-Event-ID' },
  );
}

/** What a call has no more: it was erased, or its time was over. */
export function contentGone(what: 'answer' | 'request', { erasedAt }: Pick<CallView, 'erasedAt'>): HoldfastError {
  const reason = erasedAt === undefined ? 'has expired' : `was erased at ${erasedAt}`;
  return new HoldfastError('not_found', `The stored ${what} of this call ${reason}.`);
}

function claimOf(deps: CallServiceDeps, tenant: string, key: string, { body }: CallRequest): IdempotencyClaim {
  return { key, bodyHash: deps.hashBody(tenant, body), ttlMs: deps.idempotencyTtlMs };
}

export function createCallService(deps: CallServiceDeps): CallService {
  const follower = createCallFollower({ ...deps, onEnd: freePlace });
  const debts = createDebts(deps);
  const cancelCall = createCancelCall(deps);

  async function start(given: StartCall): Promise<StartedCall> {
    const { caller, kind, door, body, headers, idempotencyKey, tags, takesRollbacks = false, resumes = null } = given;
    const { mode = null } = given;
    const parsed = door.parseRequest(body, headers);
    const request = deps.prepare(parsed);
    const { roles: _roles, ...principal } = caller;
    const { tenant } = principal;
    const endUser = door.endUser(parsed);
    const preparedTags = deps.prepareTags(tenant, tags, endUser);
    const claim = idempotencyKey === null ? null : claimOf(deps, tenant, idempotencyKey, parsed);
    // A key that stands for a call takes no place of a new one: no limit, no decision.
    const known = claim && (await deps.ledger.lookUpKey(tenant, claim));
    // What another caller of the tenant was allowed is not given to one who may not ask for it.
    const mayBeGiven = known !== null || given.isSdkRetry === true;
    const named = request.body['model'];
    const refusal = mayBeGiven
      ? await deps.refusalOf({ kind, model: typeof named === 'string' ? named : '', principal, tags: preparedTags })
      : null;
    if (known && refusal) throw refusal;
    if (resumes !== null && known?.callId !== resumes) throw nothingToResume(claim !== null);
    if (known) return join(known, request);
    // A repeat is the same to the byte, before anything is masked; its caller and its options, too.
    const asked = () => JSON.stringify({ key: principal.key, tags, takesRollbacks, mode, request: parsed });
    const repeat = claim ? null : { hash: deps.hashRepeat(tenant, asked()), door: deps.door };
    const orphan = repeat && given.isSdkRetry && !refusal ? await deps.orphans.take(repeat.hash) : null;
    if (orphan) {
      debts.taken(orphan.callId);
      return joinOrphan(orphan, request);
    }
    const { request: canonical } = door.toCanonical(request);
    const scopes = deps.scopesOf({ principal, tags: preparedTags });
    const place = await deps.places.take(scopes, deps.estimateTokens(canonical));
    try {
      const model = typeof canonical['model'] === 'string' ? canonical['model'] : '';
      const call = {
        kind,
        model,
        principal,
        tags: preparedTags,
        ...(takesRollbacks && { takesRollbacks }),
        ...(mode && { mode }),
      };
      const decision = await deps.decide(call, { request, canonical });
      refuseUnservable(decision.admission);
      await deps.faults?.reach('before-accept', null);
      const accepted = await deps.ledger.accept({
        callIdFor: (generation) =>
          idempotencyKey === null ? deps.newCallId() : deps.deriveCallId(tenant, idempotencyKey, generation),
        call,
        admission: decision,
        subject: subjectOf(tags, endUser),
        requestBytes: Buffer.from(JSON.stringify(request)),
        idempotency: claim,
        repeat,
        payloadTtlMs: deps.payloadTtlMs,
      });
      if (accepted.status !== 'accepted') {
        // Another request made the key stand for its call while this one was decided.
        const { admission } = decision;
        if (!admission.allowed && admission.error.code === 'permission_denied')
          throw HoldfastError.from(admission.error);
        return await join(accepted, request);
      }
      // Known before the start: a call may have ended before its start returns.
      place.keepFor(accepted.input.callId);
      await deps.faults?.reach('after-accept', accepted.input.callId);
      return await launch(accepted.input, request);
    } finally {
      place.free();
    }
  }

  async function join(
    known: Exclude<AcceptResult, { status: 'accepted' }>,
    request: CallRequest,
  ): Promise<StartedCall> {
    const { callId } = known;
    if (known.status === 'conflict') {
      throw new HoldfastError('idempotency_conflict', 'This Idempotency-Key was used with another body.', {
        details: { callId },
      });
    }
    // Its door may have died before the start. Where it lives, the engine has the call, or has it from here.
    if (known.status === 'attached' && known.unstarted) await deps.engine.start(known.unstarted);
    return { callId, request, isNew: false, follow: (signal) => follower.follow(callId, signal) };
  }

  /** Taken for this client, who waits for its start as for one of its own: where that fails, nothing is paid for it. */
  async function joinOrphan(orphan: Joined, request: CallRequest): Promise<StartedCall> {
    if (orphan.status === 'attached' && orphan.unstarted) await startOrSettle(orphan.unstarted);
    const { callId } = orphan;
    return { callId, request, isNew: false, follow: (signal) => follower.follow(callId, signal) };
  }

  async function launch(input: CallInput, request: CallRequest): Promise<StartedCall> {
    const { callId } = input;
    const awaited = follower.await(callId);
    try {
      await startOrSettle(input);
    } catch (error) {
      awaited.giveUp();
      throw error;
    }
    return { callId, request, isNew: true, follow: (signal) => awaited.follow(signal) };
  }

  async function startOrSettle(input: CallInput): Promise<void> {
    const { callId } = input;
    try {
      await deps.faults?.reach('before-start', callId);
      const isNew = await deps.engine.start(input);
      await deps.faults?.reach('after-start', callId);
      if (!isNew && (await deps.engine.stateOf(callId)) === 'closed') {
        // It ran and ended just now, or ran long ago: a key whose rows are gone counts its generations anew.
        throw new HoldfastError('engine_unavailable', 'The engine still has an older call of this id. Send it again.', {
          retryAfterMs: 0,
        });
      }
    } catch (error) {
      const unavailable = HoldfastError.is(error)
        ? error
        : new HoldfastError('engine_unavailable', 'The durable engine cannot take calls now.', { retryAfterMs: 1_000 });
      // A call that is ended in the ledger can dispatch no more, even if the start did reach the engine and only its
      // answer was lost. If it has dispatched already, it is a call like any other, and its caller waits for it.
      const settlement = { callId, outcome: 'failed', answerRef: null, error: unavailable.toRecord() } as const;
      const call = await deps.ledger.settle(settlement, { unlessDispatched: true }).catch(async (failure: unknown) => {
        // It may run, and be paid for: the client that is turned away must find it again.
        await debts.leave(callId);
        throw failure;
      });
      const isOurs = call.outcome === 'failed' && call.error?.code === unavailable.code;
      if (isOurs && call.attempts.length === 0) {
        freePlace(call);
        throw unavailable;
      }
    }
  }

  async function answerOf(call: CallView): Promise<StoredAnswer> {
    const bytes = call.answerRef === null ? null : await deps.payloads.get(call.answerRef);
    if (!bytes) throw contentGone('answer', call);
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as StoredAnswer;
  }

  /** Under the concurrency limit. */
  function freePlace({ id }: CallView): void {
    deps.places.free(id);
  }

  return {
    start,
    follow: (callId, signal) => follower.follow(callId, signal),
    async waitForEnd(callId, signal) {
      for await (const batch of follower.follow(callId, signal)) {
        for (const message of batch) if (message.type === 'call-end') return message.call;
      }
      throw new HoldfastError('cancelled', 'The wait was given up.');
    },
    answerOf,
    async give(call, stored, client) {
      // Read first: a debt that is cleared for an answer that cannot be read would have the repeat pay again.
      const answer = stored ?? (await answerOf(call));
      if (call.isOwed && !client.aborted) await debts.give(call.id);
      return answer;
    },
    async requestOf(call) {
      const bytes = call.requestRef === null ? null : await deps.payloads.get(call.requestRef);
      return bytes && parseStoredRequest(bytes);
    },
    async cancel(callId) {
      await cancelCall(callId);
    },
    async abandon(callId) {
      try {
        if (await cancelCall(callId)) return;
      } catch (error) {
        deps.onError(error);
      }
      // One that is cancelled is not left before its end: a repeat would be told of the cancel.
      await debts.leave(callId);
    },
    leave: (callId) => debts.leave(callId),
    onCallEnd: freePlace,
  };
}
