/** `holdfast up`: starts everything, prints the addresses, and stays until it is told to stop. */
import { InvalidArgumentError, type Command } from 'commander';
import { loadSettings } from '../../config/load.ts';
import { startEmbedded, type EmbeddedHoldfast } from '../../gateway/embedded.ts';
import { providerAdapters } from '../../providers/registry.ts';
import { homeOf } from '../home.ts';
import type { CliContext } from '../program.ts';

interface UpOptions {
  port?: number;
  temporalPort?: number;
  uiPort?: number;
}

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
  const settings = options.port === undefined ? loaded : { ...loaded, gateway: { ...loaded.gateway, port: options.port } };
  const home = homeOf(env);
  const stopSignal = nextSignal();
  const holdfast = await startEmbedded({
    home,
    settings,
    env,
    ...(options.temporalPort !== undefined && { temporalPort: options.temporalPort }),
    ...(options.uiPort !== undefined && { uiPort: options.uiPort }),
    onProgress: (line) => console.error(line),
  });
  announce(holdfast, settings.origin, home);
  const signal = await Promise.race([stopSignal, holdfast.running.then(() => null)]);
  if (signal) console.error(`${signal}: letting calls in flight end (again to stop at once)`);
  void nextSignal().then(() => process.exit(130));
  await holdfast.stop();
  console.error('stopped');
}

function announce(holdfast: EmbeddedHoldfast, origin: string, home: string): void {
  const { temporal } = holdfast;
  console.log(`gateway      ${holdfast.url}   (OpenAI: ${holdfast.url}/v1, Anthropic: ${holdfast.url})`);
  console.log(`temporal     ${temporal.address}, namespace ${temporal.namespace}${temporal.reused ? ', taken over from an earlier run' : ''}`);
  if (temporal.uiUrl) console.log(`temporal ui  ${temporal.uiUrl}`);
  console.log(`config       ${origin}`);
  console.log(`home         ${home}`);
  if (holdfast.simulated.length > 0) console.log(`simulated    ${holdfast.simulated.join(', ')}: no real provider is called for these`);
  console.log('ready');
}

/** Resolves at the next SIGINT or SIGTERM, with its name. */
function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const listener = (signal: NodeJS.Signals) => {
      process.removeListener('SIGINT', listener);
      process.removeListener('SIGTERM', listener);
      resolve(signal);
    };
    process.on('SIGINT', listener);
    process.on('SIGTERM', listener);
  });
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535');
  return port;
}
