/**
 * A node of its own process with fault points: `fault-node.ts HOME CONFIG TEMPORAL_ADDRESS NAMESPACE` prints `ready URL`.
 * Each line on stdin is a `Fault` to come, or `go`. It prints `armed`, and `reached POINT` each time a fault comes true.
 */
import { createInterface } from 'node:readline';
import { readFileSync, writeSync } from 'node:fs';
import pino from 'pino';
import { parseSettings } from '../../src/config/load.ts';
import { HoldfastError } from '../../src/core/errors.ts';
import type { FaultPoints } from '../../src/core/ports/fault-points.ts';
import { startNode } from '../../src/gateway/node.ts';
import { providerAdapters } from '../../src/providers/registry.ts';
import { fromSqliteError } from '../../src/stores/sqlite/sqlite-error.ts';
import { connectNative } from '../../src/temporal/connection.ts';
import { installRuntime } from '../../src/temporal/runtime.ts';
import type { Fault, FaultAction } from './fault-action.ts';

const [home = '', configPath = '', address = '', namespace = ''] = process.argv.slice(2);

// Every clock of the node is this one; it is set before the node takes hold of it.
const realNow = Date.now;
let jumpedMs = 0;
Date.now = () => realNow() + jumpedMs;

let fault: Fault | null = null;
let timesLeft = 0;
let goOn: () => void = () => undefined;

const say = (line: string) => writeSync(1, `${line}\n`);

const faults: FaultPoints = {
  reach(point) {
    if (fault?.point !== point || timesLeft === 0) return undefined;
    timesLeft -= 1;
    say(`reached ${point}`);
    return act(fault.action);
  },
};

function act(action: FaultAction): Promise<void> | undefined {
  switch (action.do) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      // The signal comes before the next line of JavaScript; should it be late, nothing goes on.
      return new Promise(() => undefined);
    case 'hold':
      return new Promise((resolve) => (goOn = resolve));
    case 'throw':
      throw errorOf(action.what);
    case 'jump':
      jumpedMs += action.ms;
      return undefined;
  }
}

function errorOf(what: Extract<FaultAction, { do: 'throw' }>['what']): unknown {
  switch (what) {
    case 'ledger-away':
      return fromSqliteError(Object.assign(new Error('database is locked'), { errcode: 5 }));
    case 'disk-full':
      return fromSqliteError(Object.assign(new Error('database or disk is full'), { errcode: 13 }));
    case 'engine-away':
      return new HoldfastError('engine_unavailable', 'The durable engine cannot take calls now.', {
        retryAfterMs: 1_000,
      });
    case 'bus-away':
      return new Error('the bus is away');
  }
}

createInterface(process.stdin)
  .on('line', (line) => {
    if (line === 'go') {
      goOn();
      return;
    }
    fault = JSON.parse(line) as Fault;
    timesLeft = fault.times ?? 1;
    say('armed');
  })
  .on('close', () => process.exit(0));

installRuntime(() => undefined);
const settings = parseSettings(readFileSync(configPath, 'utf8'), configPath, { env: {}, adapters: providerAdapters });
const node = await startNode({
  settings,
  home,
  env: {},
  connection: await connectNative({ address }),
  namespace,
  logger: pino({ level: 'warn' }, pino.destination({ fd: 2, sync: true })),
  isAlone: true,
  faults,
});
say(`ready ${node.url}`);
await node.running;
