/** The Temporal workers of a node: one for calls, one for maintenance. */
import type { DataConverter } from '@temporalio/common';
import { Worker, type NativeConnection } from '@temporalio/worker';
import { createCallSteps } from '../activities/call-steps.ts';
import { createProviderActivities } from '../activities/execute-provider.ts';
import { createMaintenanceActivities } from '../activities/maintenance.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import { MAINTENANCE_TASK_QUEUE, TASK_QUEUE } from '../core/names.ts';
import type { SweepDeps, SweepReport } from '../ledger/sweep.ts';
import { workflowBundle } from './bundle.ts';
import type { Domain } from './domain.ts';

export interface EngineWorkersOptions {
  connection: NativeConnection;
  namespace: string;
  domain: Domain;
  /** Of histories, see `createHistoryConverter`. Default: as they are. */
  dataConverter?: DataConverter;
  sweep: SweepDeps;
  onCallEnd(call: CallView): void;
  onSweep(report: SweepReport): void;
  /** Told of unforeseen errors in activities. */
  onDefect(error: unknown): void;
  /** Provider calls at once in this process. Default 1,000. */
  maxConcurrentCalls?: number;
  /** How long a shutdown waits for calls in flight; default 10 minutes. */
  shutdownGraceMs?: number;
}

export interface EngineWorkers {
  /** Rejects when a worker fails. */
  readonly running: Promise<void>;
  /** Stops polling, lets calls in flight end, then resolves. */
  drain(): Promise<void>;
}

const DEFAULT_CONCURRENCY = 1_000;
const DEFAULT_GRACE_MS = 600_000;
/** A cached workflow is about 40 KB; one that falls out of the cache replays from its history. */
const MAX_CACHED_WORKFLOWS = 2_000;

export async function startEngineWorkers(options: EngineWorkersOptions): Promise<EngineWorkers> {
  const { connection, namespace, domain } = options;
  const { dataConverter } = options;
  const bundle = await workflowBundle({ encodesFailures: dataConverter?.failureConverterPath !== undefined });
  const shutdownGraceTime = options.shutdownGraceMs ?? DEFAULT_GRACE_MS;
  const calls = await Worker.create({
    connection,
    namespace,
    taskQueue: TASK_QUEUE,
    identity: domain.owner,
    workflowBundle: bundle,
    ...(dataConverter && { dataConverter }),
    activities: {
      ...createCallSteps({
        settings: domain.settings,
        decide: domain.decide,
        ledger: domain.ledger,
        payloads: domain.payloads,
        bus: domain.bus,
        attempts: domain.attempts,
        doorWire: (request) => domain.doorWireOf(request),
        prepare: domain.prepare,
        prepareTags: domain.prepareTags,
        teamOf: domain.teamOf,
        payloadTtlMs: domain.settings.retention.payloadMs,
        onCallEnd: options.onCallEnd,
        faults: domain.faults,
        onDefect: options.onDefect,
      }),
      ...createProviderActivities({ attempts: domain.attempts, bus: domain.bus, onDefect: options.onDefect }),
    },
    maxCachedWorkflows: MAX_CACHED_WORKFLOWS,
    maxConcurrentActivityTaskExecutions: options.maxConcurrentCalls ?? DEFAULT_CONCURRENCY,
    maxConcurrentLocalActivityExecutions: options.maxConcurrentCalls ?? DEFAULT_CONCURRENCY,
    maxConcurrentWorkflowTaskExecutions: 200,
    maxHeartbeatThrottleInterval: '4 seconds',
    // A killed node's sticky queue would keep each of its calls for 10 s more, after the heartbeat timeout's 10 s.
    stickyQueueScheduleToStartTimeout: '2 seconds',
    shutdownGraceTime,
  });
  const maintenance = await Worker.create({
    connection,
    namespace,
    taskQueue: MAINTENANCE_TASK_QUEUE,
    identity: domain.owner,
    workflowBundle: bundle,
    ...(dataConverter && { dataConverter }),
    activities: createMaintenanceActivities({ ...options.sweep, onSweep: options.onSweep }),
    maxCachedWorkflows: 10,
    maxConcurrentActivityTaskExecutions: 2,
    shutdownGraceTime,
  });
  const workers = [calls, maintenance];
  const running = Promise.all(workers.map((worker) => worker.run())).then(() => undefined);
  return {
    running,
    async drain() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      // Work in the background may take an hour, and needs nobody here.
      domain.leave();
      await running;
    },
  };
}
