/**
 * Calls straight in Temporal, for trusted code: own workers, scripts beside the cluster. Whoever has access to the
 * namespace is trusted in full, and the request stands in the call's history.
 */
import { WorkflowExecutionAlreadyStartedError, type Client, type WorkflowHandle } from '@temporalio/client';
import { checkCallId } from '../core/call/check-call-id.ts';
import { checkCallInput } from '../core/call/check-call-input.ts';
import type { CallInput, CallKind, CallMode, CallResult } from '../core/call/types.ts';
import { HoldfastError } from '../core/errors.ts';
import { TASK_QUEUE } from '../core/names.ts';
import { deriveCallId, newCallId, tenantHandle } from '../ledger/call-id.ts';
import { searchAttributeKeys } from '../temporal/search-attribute-keys.ts';
import type { ClientWire, RequestBody } from './types.ts';

export interface TemporalClientOptions {
  /** Of the namespace that Holdfast's workers serve. */
  client: Client;
  /** Who pays. Default `default`. */
  tenant?: string;
  /** The virtual key and the team that pay too. Default: no key, and the team of the key. */
  key?: string;
  team?: string;
}

export interface TemporalCallOptions {
  /** Default `openai-chat`. */
  wire?: ClientWire;
  /**
   * The id of the call and of its workflow: up to 255 characters of printable ASCII without spaces. Default: a new one, or the one
   * that the idempotency key stands for.
   */
  callId?: string;
  /** The same key gives the same call as at the gateway, as long as Temporal remembers its workflow. */
  idempotencyKey?: string;
  tags?: Record<string, string>;
  /** Default: as the route says. */
  mode?: CallMode;
}

export interface TemporalCall {
  readonly id: string;
  /**
   * Waits for the end. References and figures only: the content is had over HTTP by the call's id.
   * @throws HoldfastError the error of a call that did not succeed.
   */
  result(): Promise<CallResult>;
  /** The state of the workflow, such as `RUNNING` or `COMPLETED`. */
  describe(): Promise<{ status: string; historyEvents: number }>;
  cancel(): Promise<void>;
}

export interface HoldfastTemporalClient {
  /**
   * Starts a call; one with the same id is taken up where it is.
   * @throws HoldfastError `invalid_request` for an input that no call can have; `engine_unavailable` when Temporal cannot be reached.
   */
  start(request: RequestBody, options?: TemporalCallOptions): Promise<TemporalCall>;
  getCall(id: string): TemporalCall;
}

const FIRST_GENERATION = 1;

/**
 * @example
 * const holdfast = createTemporalClient({ client, tenant: 'acme' });
 * const call = await holdfast.start({ model: 'smart', messages: [{ role: 'user', content: 'Hi' }] });
 * const { outcome, costNanoUsd } = await call.result();
 */
export function createTemporalClient(options: TemporalClientOptions): HoldfastTemporalClient {
  const { client, tenant = 'default', key = null, team } = options;
  const getCall = (id: string): TemporalCall =>
    callOf(client.workflow.getHandle<(input: CallInput) => Promise<CallResult>>(id));
  return {
    getCall,
    async start({ stream: _stream, stream_options: _options, ...request }, options = {}) {
      const { wire = 'openai-chat', callId = callIdOf(tenant, options), tags, mode } = options;
      const { model } = request;
      if (typeof model !== 'string')
        throw new HoldfastError('invalid_request', 'The request names no model.', { param: 'model' });
      const kind: CallKind = wire === 'openai-embeddings' ? 'embedding' : 'chat';
      const input: CallInput = {
        callId,
        kind,
        model,
        principal: { tenant, key, models: null, ...(team !== undefined && { team }) },
        requestRef: null,
        inline: { wire, body: request, stream: false },
        ...(tags && { tags }),
        ...(mode && { mode }),
      };
      checkCallId(callId);
      checkCallInput(input, callId);
      try {
        await client.workflow.start('llmCall', {
          workflowId: callId,
          taskQueue: TASK_QUEUE,
          args: [input],
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
          typedSearchAttributes: [
            { key: searchAttributeKeys.tenant, value: tenant },
            { key: searchAttributeKeys.model, value: model },
            { key: searchAttributeKeys.kind, value: kind },
          ],
          staticSummary: `${kind} ${model} (${tenant})`,
        });
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw unavailable(error);
      }
      return getCall(callId);
    },
  };
}

function callOf(handle: WorkflowHandle<(input: CallInput) => Promise<CallResult>>): TemporalCall {
  return {
    id: handle.workflowId,
    async result() {
      const result = await handle.result();
      if (result.outcome === 'succeeded') return result;
      throw result.error
        ? HoldfastError.from(result.error)
        : new HoldfastError('engine_unavailable', 'The call has no outcome.');
    },
    async describe() {
      const { status, historyLength } = await handle.describe();
      return { status: status.name, historyEvents: historyLength };
    },
    async cancel() {
      await handle.cancel();
    },
  };
}

/** As the gateway makes it; `test/gateway/same-call-id.test.ts` holds the two together. */
function callIdOf(tenant: string, { idempotencyKey }: TemporalCallOptions): string {
  return idempotencyKey === undefined
    ? newCallId()
    : deriveCallId(tenantHandle(tenant), idempotencyKey, FIRST_GENERATION);
}

function unavailable(error: unknown): HoldfastError {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const reason = cause instanceof Error ? cause.message.slice(0, 200) : 'unknown';
  return new HoldfastError('engine_unavailable', `The durable engine cannot take calls now: ${reason}.`, {
    retryAfterMs: 1_000,
  });
}
