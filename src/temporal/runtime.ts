import { IllegalStateError, Runtime, makeTelemetryFilterString } from '@temporalio/worker';
import type { LogLevel, LogMetadata } from '@temporalio/worker';

/** Where the messages of the Temporal SDK and its native core go. */
export type TemporalLog = (level: LogLevel, message: string, meta?: LogMetadata) => void;

/**
 * Sets up the SDK's runtime, once in a process and before the first connection: quiet, with all messages forwarded to
 * `log`, and without signal handlers, because the order of a shutdown is ours. Returns false when a runtime was there.
 */
export function installRuntime(log: TemporalLog): boolean {
  try {
    Runtime.install({
      shutdownSignals: [],
      logger: {
        log,
        trace: (message, meta) => log('TRACE', message, meta),
        debug: (message, meta) => log('DEBUG', message, meta),
        info: (message, meta) => log('INFO', message, meta),
        warn: (message, meta) => log('WARN', message, meta),
        error: (message, meta) => log('ERROR', message, meta),
      },
      telemetryOptions: {
        logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
      },
    });
    return true;
  } catch (error) {
    if (error instanceof IllegalStateError) return false;
    throw error;
  }
}
