/** One world for all scenarios: Temporal server, provider and ledger stay, nodes come and go. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.ts';
import { ledgerPath } from '../../src/ledger/open-ledger.ts';
import { killWithUs, startTestServer, type TestServer } from '../support/temporal/dev-server.ts';
import type { Fault } from './fault-action.ts';

const NODE = fileURLToPath(new URL('fault-node.ts', import.meta.url));
const WITHIN_MS = 60_000;

export interface FaultStage {
  server: TestServer;
  simulator: Simulator;
  client: Client;
  /** The file of the ledger. */
  ledger: string;
  /** The running node; a new one when it was killed. */
  node(): Promise<FaultNode>;
  close(): Promise<void>;
}

export interface FaultNode {
  url: string;
  hasEnded: boolean;
  exited: Promise<unknown>;
  arm(fault: Fault): Promise<void>;
  /** Resolves when the armed fault has come true. */
  reached(): Promise<void>;
  goOn(): void;
  kill(): Promise<void>;
}

export async function openFaultStage(config: string): Promise<FaultStage> {
  const home = await mkdtemp(join(tmpdir(), 'holdfast-faults-'));
  const [server, simulator] = await Promise.all([startTestServer(), startSimulator()]);
  const configPath = join(home, 'holdfast.yaml');
  await writeFile(configPath, config.replaceAll('SIM', simulator.url));
  const connection = await Connection.connect({ address: server.address });
  let node: FaultNode | null = null;
  return {
    server,
    simulator,
    client: new Client({ connection, namespace: server.namespace }),
    ledger: ledgerPath(home),
    async node() {
      if (!node || node.hasEnded) node = await startFaultNode([home, configPath, server.address, server.namespace]);
      return node;
    },
    async close() {
      await node?.kill();
      await connection.close();
      await server.stop();
      await simulator.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function startFaultNode(args: readonly string[]): Promise<FaultNode> {
  const child: ChildProcess = spawn(process.execPath, [NODE, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const forget = killWithUs(child.pid ?? 0);
  let errors = '';
  child.stderr?.on('data', (chunk: Uint8Array) => (errors = (errors + String(chunk)).slice(-10_000)));
  const exited = once(child, 'exit').finally(forget);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  if (!child.stdout) throw new Error('the node has no output');
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });

  /** The next line that begins so; what comes before it is passed over. */
  const next = (start: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        waiting.delete(look);
        settle();
      };
      const timer = setTimeout(() => done(() => reject(new Error(`no "${start}" of the node:\n${errors}`))), WITHIN_MS);
      const look = () => {
        const at = lines.findIndex((line) => line.startsWith(start));
        const [line] = at < 0 ? [] : lines.splice(0, at + 1).slice(-1);
        if (line !== undefined) done(() => resolve(line));
      };
      waiting.add(look);
      void exited.then(() => {
        look();
        if (waiting.has(look)) done(() => reject(new Error(`the node ended before "${start}":\n${errors}`)));
      });
      look();
    });

  const ready = await next('ready ');
  return {
    url: ready.slice('ready '.length),
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    exited,
    async arm(fault) {
      child.stdin?.write(`${JSON.stringify(fault)}\n`);
      await next('armed');
    },
    async reached() {
      await next('reached ');
    },
    goOn: () => void child.stdin?.write('go\n'),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
