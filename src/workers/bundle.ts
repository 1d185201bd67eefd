/** The workflow code as one bundle: made once, replayed anywhere. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { encodingFailureConverterPath } from '../temporal/history/history-converter.ts';

const made = new Map<boolean, Promise<WorkflowBundle>>();

/**
 * Bundles `src/workflows` (`dist/workflows` when built); the same promise for every worker of the process.
 * @param encodesFailures puts the texts of failures where the codec seals them. Makes no difference to a replay.
 */
export function workflowBundle({ encodesFailures = false } = {}): Promise<WorkflowBundle> {
  const known = made.get(encodesFailures);
  if (known) return known;
  const bundle = bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(`../workflows/index${extname(import.meta.url)}`, import.meta.url)),
    ...(encodesFailures && { failureConverterPath: encodingFailureConverterPath }),
    logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: console.warn, error: console.error },
  });
  made.set(encodesFailures, bundle);
  return bundle;
}

function quiet(): void {
  // The bundler reports each asset and its time; only its warnings matter.
}
