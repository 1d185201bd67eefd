/**
 * Test support: a Temporal server on PostgreSQL, set up by the steps of docker-compose.yml: the schema by
 * deploy/temporal/setup-schema.sh, the namespace by deploy/temporal/create-namespace.sh.
 */
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectNative } from '../../../src/temporal/connection.ts';
import { freePorts } from '../../../src/temporal/server/free-ports.ts';
import { runCommand } from '../../../src/temporal/process/run-command.ts';
import { keepProcess, type KeptProcess } from '../kept-process.ts';
import { testServerBinary } from '../temporal/dev-server.ts';
import { productionServer } from '../temporal/production-server.ts';

const DEPLOY = fileURLToPath(new URL('../../../deploy/temporal/', import.meta.url));
const STEP_LIMIT_MS = 60_000;
const NAMESPACE = 'holdfast';

export interface TemporalCluster extends KeptProcess {
  address: string;
  namespace: string;
}

export interface TemporalClusterOptions {
  /** Of a PostgreSQL whose user may create databases. */
  postgresPort: number;
  user: string;
}

/** Creates or updates both databases; safe to repeat. Gives what it printed. */
export async function setUpTemporalSchema({ postgresPort, user }: TemporalClusterOptions): Promise<string> {
  const { directory, schema } = await productionServer();
  return await runCommand('/bin/sh', [`${DEPLOY}setup-schema.sh`], {
    env: {
      PATH: `${directory}:${process.env['PATH'] ?? ''}`,
      TEMPORAL_SCHEMA_DIRECTORY: schema,
      SQL_PLUGIN: 'postgres12',
      SQL_HOST: '127.0.0.1',
      SQL_PORT: String(postgresPort),
      SQL_USER: user,
      SQL_PASSWORD: 'unused',
    },
    timeoutMs: STEP_LIMIT_MS,
  });
}

export async function startTemporalCluster(options: TemporalClusterOptions): Promise<TemporalCluster> {
  const { directory } = await productionServer();
  await setUpTemporalSchema(options);
  const ports = (await freePorts(11)).map(String);
  const [frontend = '', http, internal, internalHttp, matching, history, worker, ...membership] = ports;
  const address = `127.0.0.1:${frontend}`;
  const kept = await keepProcess({
    name: 'temporal',
    command: () => [`${directory}/temporal-server`, '--allow-no-auth', 'start'],
    env: {
      PATH: process.env['PATH'],
      DB: 'postgres12',
      DB_PORT: String(options.postgresPort),
      POSTGRES_SEEDS: '127.0.0.1',
      POSTGRES_USER: options.user,
      POSTGRES_PWD: 'unused',
      BIND_ON_IP: '127.0.0.1',
      DYNAMIC_CONFIG_FILE_PATH: `${DEPLOY}dynamic-config.yaml`,
      FRONTEND_GRPC_PORT: frontend,
      FRONTEND_HTTP_PORT: http,
      INTERNAL_FRONTEND_GRPC_PORT: internal,
      INTERNAL_FRONTEND_HTTP_PORT: internalHttp,
      MATCHING_GRPC_PORT: matching,
      HISTORY_GRPC_PORT: history,
      WORKER_GRPC_PORT: worker,
      FRONTEND_MEMBERSHIP_PORT: membership[0],
      MATCHING_MEMBERSHIP_PORT: membership[1],
      HISTORY_MEMBERSHIP_PORT: membership[2],
      WORKER_MEMBERSHIP_PORT: membership[3],
    },
    async probe() {
      const connection = await connectNative({ address });
      try {
        await connection.workflowService.describeNamespace({ namespace: 'temporal-system' });
      } finally {
        await connection.close();
      }
    },
  });
  try {
    await createNamespace(address, NAMESPACE);
  } catch (error) {
    await kept.close();
    throw error;
  }
  return { ...kept, address, namespace: NAMESPACE };
}

export async function createNamespace(address: string, namespace: string): Promise<void> {
  const { path } = await testServerBinary();
  await runCommand('/bin/sh', [`${DEPLOY}create-namespace.sh`], {
    env: {
      PATH: `${dirname(path)}:${process.env['PATH'] ?? ''}`,
      HOME: process.env['HOME'],
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
    },
    timeoutMs: STEP_LIMIT_MS,
  });
  await untilKnown(address, namespace);
}

/** Each service of the cluster learns of a namespace in its own time, some seconds at most. */
async function untilKnown(address: string, namespace: string): Promise<void> {
  const connection = await connectNative({ address });
  const deadline = Date.now() + STEP_LIMIT_MS;
  try {
    for (;;) {
      try {
        await connection.operatorService.listSearchAttributes({ namespace });
        await connection.workflowService.countWorkflowExecutions({ namespace });
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await setTimeout(100);
      }
    }
  } finally {
    await connection.close();
  }
}
