import { SearchAttributeType } from '@temporalio/common';
import { searchAttributeKeys } from '../search-attribute-keys.ts';

/**
 * What makes the development server fast enough for calls. The two poll limits are worth most: at their defaults every
 * workflow task waits up to 50 ms for its dispatch.
 */
export const tunedFlags: readonly string[] = [
  ...['--sqlite-pragma', 'journal_mode=WAL'],
  ...['--sqlite-pragma', 'synchronous=NORMAL'],
  ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=5000'],
  ...['--dynamic-config-value', 'history.timerProcessorMaxPollRPS=500'],
  // Timers wait this long for clocks of other hosts to agree; here there is one clock, and the default is a second.
  ...['--dynamic-config-value', 'history.timerProcessorMaxTimeShift="20ms"'],
  ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
];

/** The server as it comes, for the benchmark to compare with. */
export const defaultFlags: readonly string[] = [];

export interface ServerPlace {
  port: number;
  uiPort: number;
  /** Relative names are relative to the directory that the server is started in. */
  dbFilename: string;
  /** Where the UI has sealed payloads opened; default nowhere. */
  codecEndpoint?: string | undefined;
}

const typeNames: Partial<Record<SearchAttributeType, string>> = {
  [SearchAttributeType.KEYWORD]: 'Keyword',
  [SearchAttributeType.INT]: 'Int',
};

/** The whole command line behind `temporal`. */
export function serverArguments(
  { port, uiPort, dbFilename, codecEndpoint }: ServerPlace,
  flags: readonly string[],
): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
    ...['--db-filename', dbFilename, '--log-level', 'warn'],
    ...Object.values(searchAttributeKeys).flatMap(({ name, type }) => [
      '--search-attribute',
      `${name}=${typeNames[type] ?? type}`,
    ]),
    ...(codecEndpoint === undefined ? [] : ['--ui-codec-endpoint', codecEndpoint]),
    ...flags,
  ];
}
