/** A node: stores, domains, Temporal workers and gateway in one process, so that a call stays where its client waits. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { isLoopbackHost } from '../config/private-host.ts';
import { HoldfastError } from '../core/errors.ts';
import type { FaultPoints } from '../core/ports/fault-points.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import { MAINTENANCE_TASK_QUEUE, RECONCILE_WORKFLOW_ID } from '../core/names.ts';
import type { Settings } from '../core/settings.ts';
import { createAdministration } from './administration.ts';
import { createCallEngine } from './calls/call-engine.ts';
import { createCallService } from './calls/call-service.ts';
import { checkEngine, checkRetention } from './check-engine.ts';
import { drainsConnections } from './http/drain-connections.ts';
import { createEndWatch } from './calls/end-watch.ts';
import { withinDeadline } from './calls/engine-deadline.ts';
import { createOrphans } from './calls/orphans.ts';
import { createPlaceKeeper } from './calls/place-keeper.ts';
import { createGateway } from './http/server.ts';
import { openSharedState } from './shared-state.ts';
import { takeOver } from './calls/take-over.ts';
import { createAuthenticator } from '../governance/authenticate.ts';
import { estimateRequestTokens } from '../governance/request-bounds.ts';
import { deriveCallId, newCallId } from '../ledger/call-id.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { watchLostStarts } from '../ledger/lost-starts.ts';
import type { SweepDeps } from '../ledger/sweep.ts';
import { loadTokenizer } from '../providers/estimate-tokens.ts';
import { providerAdapters } from '../providers/registry.ts';
import { forgetNextMasterKey, loadMasterKey } from '../stores/crypto/master-key.ts';
import { createEncryptedSecretFile } from '../stores/files/encrypted-secret-file.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { startOutboxRelay } from '../telemetry/outbox-relay.ts';
import { createHistoryCodec, type HistoryCodecOptions } from '../temporal/history/history-codec.ts';
import { createHistoryConverter } from '../temporal/history/history-converter.ts';
import { createDomain } from '../workers/domain.ts';
import { startEngineWorkers, type EngineWorkers } from '../workers/engine-workers.ts';

export interface NodeOptions {
  settings: Settings;
  home: string;
  env: Readonly<Record<string, string | undefined>>;
  connection: NativeConnection;
  namespace: string;
  logger: Logger;
  /** Time between maintenance sweeps. Default 30 s. */
  sweepEveryMs?: number;
  /** Tests only: what happens at the boundaries of calls. Nothing in a configuration or on a command line leads here. */
  faults?: FaultPoints;
  /** Of the Temporal UI that comes with this engine, beside those of the configuration. Default none. */
  uiOrigins?: readonly string[];
  /** No other node works on this engine: whatever it takes for running elsewhere is lost. Default false. */
  isAlone?: boolean;
}

export interface HoldfastNode {
  /** `http://127.0.0.1:4000`. */
  url: string;
  /** Requests at providers now. */
  liveAttempts(): number;
  /** Rejects when a worker fails. */
  running: Promise<void>;
  /** Stops taking calls, lets those in flight end, closes the stores. */
  drain(): Promise<void>;
}

const DEFAULT_SWEEP_MS = 30_000;

export async function startNode(options: NodeOptions): Promise<HoldfastNode> {
  const { settings, home, env, connection, namespace, logger } = options;
  const authRequired =
    settings.gateway.authRequired ?? (settings.keys.length > 0 || !isLoopbackHost(settings.gateway.host));
  if (!isLoopbackHost(settings.gateway.host) && settings.gateway.authRequired === false) {
    throw new HoldfastError(
      'invalid_request',
      `Binding to ${settings.gateway.host} without authentication is refused. Set gateway.auth.required: true, or bind to 127.0.0.1.`,
    );
  }
  // Else the first stream that is cut would load it, and all others would stand still meanwhile.
  loadTokenizer();
  const masterKey = loadMasterKey({ home, env });
  const secrets = createEncryptedSecretFile({ path: join(home, 'secrets.json'), masterKey });
  const { ledger, payloads, keys } = await openLedger({ store: settings.ledgerStore, home, masterKey, secrets, env });
  forgetNextMasterKey(home, masterKey);
  const onError = (error: unknown) => logger.error({ err: errorForLog(error) }, 'unexpected error');
  const owner = `${hostname()}:${String(process.pid)}:${String(Math.round(performance.timeOrigin))}:${randomUUID().slice(0, 8)}`;
  const shared = await startOrClose(ledger, async () => {
    // A home's own server is set up by the home, and cannot be another's.
    if (!options.isAlone) await checkRetention({ connection, namespace }, settings.retention.idempotencyMs);
    if (settings.ledgerStore.kind === 'postgres') await checkEngine({ connection, namespace }, ledger);
    return openSharedState({
      settings,
      masterKey,
      secrets,
      env,
      node: owner,
      isAlone: options.isAlone ?? false,
      onError,
      onChange: (isUp, reason) =>
        logger[isUp ? 'info' : 'warn']({ reason }, isUp ? 'Redis is back' : 'Redis is away: limits of this node alone'),
    });
  });
  const places = createPlaceKeeper({ hot: shared.hot, ledger, onError });
  shared.onReturn(() => places.reclaim());
  const domain = createDomain({
    settings,
    ledger,
    payloads,
    secrets,
    bus: shared.bus,
    owner,
    env,
    onAttempt: (order) => places.keep(order.callId, domain.scopesOf(order)),
    hashKey: await keys.fingerprints(),
    onCallEnd,
    faults: options.faults,
    onDefect: onError,
  });
  const historyCodec: HistoryCodecOptions = {
    namespace,
    sealer: settings.security.encryptHistories ? keys.histories.current : null,
    find: keys.histories.find,
  };
  const dataConverter = createHistoryConverter(historyCodec);
  const client = new Client({ connection, namespace, dataConverter });
  const engine = createCallEngine(client, { eager: true, isAlone: options.isAlone ?? false, dataConverter });
  const metrics = createMetrics({
    liveAttempts: () => domain.attempts.live,
    openChannels: () => domain.bus.channels,
    redisIsUp: shared.isUp,
  });
  const relay = startOutboxRelay({
    ledger,
    emit: ({ type, body }) => logger[type === 'call-end' ? 'info' : 'warn'](body, type),
    onError,
  });
  if (options.isAlone) {
    await takeOver({
      ledger,
      engine,
      identity: domain.owner,
      callRetentionMs: settings.retention.callMs,
      onSettled: (call) => metrics.callEnded(call),
      onError,
    });
  }
  const endWatch = createEndWatch(ledger, domain.bus, onError);
  const calls = createCallService({
    ledger,
    payloads,
    bus: domain.bus,
    engine,
    endWatch,
    orphans: createOrphans({ ledger, peers: shared.peers, engine, door: domain.owner, now: Date.now }),
    door: domain.owner,
    places,
    scopesOf: (call) => domain.scopesOf(domain.payerOf(call)),
    prepare: domain.prepare,
    prepareTags: domain.prepareTags,
    decide: domain.decide,
    refusalOf: domain.refusalOf,
    estimateTokens: estimateRequestTokens,
    hashBody: domain.hashBody,
    hashRepeat: domain.hashRepeat,
    newCallId,
    deriveCallId: (tenant, key, generation) => deriveCallId(domain.tenantHandle(tenant), key, generation),
    faults: options.faults,
    idempotencyTtlMs: settings.retention.idempotencyMs,
    payloadTtlMs: settings.retention.payloadMs,
    onError,
  });
  /** No call can end before the workers start, at the end of this assembly. */
  function onCallEnd(call: CallView): void {
    calls.onCallEnd(call);
    metrics.callEnded(call);
  }
  const sweepDeps: SweepDeps = {
    ledger,
    engine,
    now: Date.now,
    random: Math.random,
    settleUnknown: (attempt) => domain.attempts.settleUnknown(attempt),
    callRetentionMs: settings.retention.callMs,
    onSettled(call) {
      domain.bus.publish(call.id, { type: 'call-end', call });
      onCallEnd(call);
    },
    onError,
  };
  // Where this node is the only one, the doors that died are its own, and it has taken over from them above.
  const lostStarts = options.isAlone ? null : watchLostStarts(sweepDeps);
  let draining = false;
  const app = await createGateway({
    calls,
    ledger,
    authenticator: createAuthenticator(settings, ledger, authRequired),
    onDisconnectOf: (model) => (settings.models.get(model) ?? settings.defaultRoute).onDisconnect,
    administration: createAdministration({ settings, ledger, adapters: providerAdapters }),
    codec: createHistoryCodec(historyCodec),
    namespace,
    uiOrigins: [...settings.security.uiOrigins, ...(options.uiOrigins ?? [])],
    metrics,
    logger,
    onError,
    maxBodyBytes: settings.gateway.maxBodyBytes,
    version: packageVersion(),
    authRequired,
    isDraining: () => draining,
    readiness: () => checkReadiness(connection, namespace, ledger, draining),
  });
  const closeGateway = drainsConnections(app);
  async function closeStores(): Promise<void> {
    lostStarts?.stop();
    endWatch.stop();
    places.stop();
    shared.close();
    relay.stop();
    await relay.flush();
    await domain.dispatcher.close();
    await ledger.close();
  }

  let url: string;
  let workers: EngineWorkers;
  try {
    // The port first: workers, once started, hold the connection and take calls.
    url = await listen(app, settings.gateway);
    workers = await startEngineWorkers({
      connection,
      namespace,
      domain,
      dataConverter,
      sweep: sweepDeps,
      onCallEnd,
      onSweep: (report) => metrics.sweepEnded(report),
      onDefect: onError,
    });
  } catch (error) {
    // Whoever came in between is told so; a connection that says nothing is not waited for.
    draining = true;
    await closeGateway();
    await closeStores();
    throw error;
  }
  async function drain(): Promise<void> {
    draining = true;
    // The gateway first, so that open requests get their answers while the workers still run.
    await closeGateway();
    await workers.drain();
    await closeStores();
  }
  try {
    await startMaintenance(client, options.sweepEveryMs ?? DEFAULT_SWEEP_MS);
  } catch (error) {
    await drain();
    throw error;
  }
  return { url, liveAttempts: () => domain.attempts.live, running: workers.running, drain };
}

/** What fails to start leaves no connection behind. */
async function startOrClose<T>(ledger: { close(): Promise<void> }, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await ledger.close();
    throw error;
  }
}

async function listen(app: FastifyInstance, { host, port }: Settings['gateway']): Promise<string> {
  try {
    // By its name fastify would open a second server for IPv6, of which a drain knows nothing.
    return await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new HoldfastError(
        'engine_unavailable',
        `Port ${String(port)} is in use. Stop what listens there, or use --port.`,
      );
    }
    throw error;
  }
}

async function startMaintenance(client: Client, everyMs: number): Promise<void> {
  try {
    await client.workflow.start('reconcileAttempts', {
      workflowId: RECONCILE_WORKFLOW_ID,
      taskQueue: MAINTENANCE_TASK_QUEUE,
      args: [everyMs],
      staticSummary: 'maintenance sweep',
    });
  } catch (error) {
    // One is enough for the namespace; it survives restarts.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

async function checkReadiness(
  connection: NativeConnection,
  namespace: string,
  ledger: { listKeys(): Promise<unknown> },
  draining: boolean,
) {
  const checks: Record<string, string> = {};
  const check = async (name: string, probe: () => Promise<unknown>) => {
    try {
      await probe();
      checks[name] = 'ok';
    } catch (error) {
      checks[name] = error instanceof Error ? error.message.slice(0, 200) : 'failed';
    }
  };
  await check('temporal', () =>
    withinDeadline(connection, () => connection.workflowService.describeNamespace({ namespace })),
  );
  await check('ledger', () => ledger.listKeys());
  if (draining) checks['drain'] = 'the node is shutting down';
  return { ready: Object.values(checks).every((state) => state === 'ok'), checks };
}

/** Name, code and stack; a cause or a body attached to an error may hold content. */
function errorForLog(error: unknown) {
  return error instanceof Error
    ? { name: error.name, message: error.message, stack: error.stack }
    : { message: typeof error };
}

export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
