/** `holdfast up`: starts everything, prints the addresses, and stays until it is told to stop. */
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { loadSettings } from '../../config/load.ts';
import { HoldfastError } from '../../core/errors.ts';
import { startEmbedded, type EmbeddedHoldfast } from '../../gateway/embedded.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { isRunning } from '../../temporal/process/process-identity.ts';
import { readServerState } from '../../temporal/server/server-state.ts';
import { announceGateway, withdrawGateway } from '../gateway-file.ts';
import { homeOf } from '../home.ts';
import { nextSignal } from '../next-signal.ts';
import { parsePort } from '../parse-options.ts';
import type { CliContext } from '../context.ts';
import { watchServer } from '../watch-server.ts';

interface UpOptions {
  port?: number;
  temporalPort?: number;
  uiPort?: number;
}

/** Between looks whether attempts are still at their providers. */
const IDLE_CHECK_MS = 250;
/** Without its Temporal server nothing new begins: an attempt that has not ended by then is left to the next start. */
const STOP_WITHOUT_SERVER_MS = 10_000;
/** A start-up that is to stop goes to the end of its step, at most the 30 s of the server, and then undoes it. */
const STOP_STARTING_MS = 60_000;

export function registerUp(program: Command, { env }: CliContext): void {
  program
    .command('up')
    .description('start the Temporal server, the worker and the gateway, and stay')
    .option('--port <port>', 'port of the gateway (default 4000)', parsePort)
    .option('--temporal-port <port>', 'port of the embedded Temporal server (default 7233)', parsePort)
    .option('--ui-port <port>', 'port of the Temporal UI (default 8233)', parsePort)
    .action(async (options: UpOptions) => {
      await up(options, env);
    });
}

async function up(options: UpOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const loaded = loadSettings({ env, adapters: providerAdapters });
  const settings =
    options.port === undefined ? loaded : { ...loaded, gateway: { ...loaded.gateway, port: options.port } };
  const home = homeOf(env);
  const stopSignal = nextSignal();
  const aborting = new AbortController();
  const starting = startEmbedded({
    home,
    settings,
    env,
    ...(options.temporalPort !== undefined && { temporalPort: options.temporalPort }),
    ...(options.uiPort !== undefined && { uiPort: options.uiPort }),
    onProgress: (line) => console.error(line),
    signal: aborting.signal,
  });
  const first = await Promise.race([starting, stopSignal]);
  if (typeof first === 'string') {
    aborting.abort();
    return await stopStarting(first, starting, home);
  }
  const holdfast = first;
  announceGateway(home, { url: holdfast.url, temporalUiUrl: holdfast.temporal.uiUrl });
  announce(holdfast, settings.origin, home);
  const server = watchServer(home);
  try {
    await Promise.race([
      stopSignal.then((signal) => console.error(`${signal}: letting calls in flight end (again to stop at once)`)),
      holdfast.running,
      server.gone.then((pid) => {
        throw serverGone(pid, home);
      }),
    ]);
  } catch (error) {
    await giveUp(error, holdfast, home);
  } finally {
    server.stop();
  }
  void nextSignal().then(() => process.exit(130));
  withdrawGateway(home);
  await holdfast.stop();
  console.error('stopped');
}

/** Waits for a start-up that is to stop, and leaves. No Temporal server stays behind. */
async function stopStarting(signal: NodeJS.Signals, starting: Promise<EmbeddedHoldfast>, home: string): Promise<never> {
  console.error(`${signal}: stopping the start-up (again to stop at once)`);
  const code = 128 + constants.signals[signal];
  const stopped = starting
    // It fails with the abort, or for a reason that does not matter any more. What it had started is stopped then.
    .then(
      (holdfast) => holdfast.stop(),
      () => undefined,
    )
    .then(() => true)
    .catch((error: unknown) => {
      console.error(error);
      return false;
    });
  const isClean = await Promise.race([stopped, delay(STOP_STARTING_MS, false), nextSignal().then(() => false)]);
  if (!isClean) killServer(home);
  else console.error('stopped');
  process.exit(code);
}

/** The home's lock is ours at this point, so its server is too. */
function killServer(home: string): void {
  const server = readServerState(home);
  if (server && isRunning(server)) process.kill(server.pid, 'SIGTERM');
}

/** Stops what still can be stopped, and leaves: a supervisor starts it again, and the calls go on then. */
async function giveUp(error: unknown, holdfast: EmbeddedHoldfast, home: string): Promise<never> {
  console.error(HoldfastError.is(error) ? `${error.code}: ${error.message}` : error);
  withdrawGateway(home);
  const stopped = holdfast.stop().catch((failure: unknown) => console.error(failure));
  // Workers cannot drain without their server. What is paid for comes into the ledger first, and with it to its caller.
  await Promise.race([stopped, attemptsEnded(holdfast), delay(STOP_WITHOUT_SERVER_MS)]);
  process.exit(1);
}

async function attemptsEnded(holdfast: EmbeddedHoldfast): Promise<void> {
  do await delay(IDLE_CHECK_MS);
  while (holdfast.liveAttempts() > 0);
}

function serverGone(pid: number, home: string): HoldfastError {
  return new HoldfastError(
    'engine_unavailable',
    `The Temporal server (pid ${String(pid)}) has ended. ${join(home, 'temporal.log')} may say why. ` +
      'Start `holdfast up` again: calls in flight go on.',
  );
}

function announce(holdfast: EmbeddedHoldfast, origin: string, home: string): void {
  const { temporal } = holdfast;
  console.log(`gateway      ${holdfast.url}   (OpenAI: ${holdfast.url}/v1, Anthropic: ${holdfast.url})`);
  console.log(
    `temporal     ${temporal.address}, namespace ${temporal.namespace}${temporal.reused ? ', taken over from an earlier run' : ''}`,
  );
  if (temporal.uiUrl) console.log(`temporal ui  ${temporal.uiUrl}`);
  console.log(`config       ${origin}`);
  console.log(`home         ${home}`);
  if (holdfast.simulated.length > 0)
    console.log(`simulated    ${holdfast.simulated.join(', ')}: no real provider is called for these`);
  console.log('ready');
}
