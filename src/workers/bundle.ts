/** The workflow code as one bundle: made once, replayed anywhere. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';

let made: Promise<WorkflowBundle> | null = null;

/** Bundles `src/workflows` (`dist/workflows` when built); the same promise for every worker of the process. */
export function workflowBundle(): Promise<WorkflowBundle> {
  made ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL(`../workflows/index${extname(import.meta.url)}`, import.meta.url)),
    logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: console.warn, error: console.error },
  });
  return made;
}

function quiet(): void {
  // The bundler reports each asset and its time; only its warnings matter.
}
