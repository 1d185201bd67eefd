/** The workflow code as one bundle: made once, replayed anywhere. */
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';

let made: Promise<WorkflowBundle> | null = null;

/** Bundles `src/workflows` (`dist/workflows` when built); the same promise for every worker of the process. */
export function workflowBundle(): Promise<WorkflowBundle> {
  made ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(import.meta.resolve('../workflows/index.ts')),
    logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: console.warn, error: console.error },
  });
  return made;
}

function quiet(): void {
  // The bundler reports each asset and its time; only its warnings matter.
}
