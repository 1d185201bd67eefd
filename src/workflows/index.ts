/** Every workflow type of Holdfast, under its registered name. The entry of the workflow bundle. */
export { llmCall } from './llm-call.ts';
export { reconcileAttempts } from './reconcile-attempts.ts';
