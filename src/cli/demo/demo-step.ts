/** What a step of the demo is given, and what it gives back. */
import { HoldfastError } from '../../core/errors.ts';
import type { HoldfastClient } from '../../client/index.ts';
import type { Simulator } from '../../simulator/simulator.ts';
import type { UpProcess } from './up-process.ts';

export interface DemoContext {
  client: HoldfastClient;
  /** The same gateway, with a key whose budget is used up. */
  poorClient: HoldfastClient;
  simulator: Simulator;
  up: UpProcess;
  /** One line under the step's title. */
  say(line: string): void;
  /** Text without a line end. */
  write(text: string): void;
  signal: AbortSignal;
}

export interface DemoStep {
  title: string;
  /** Does what the title says, and gives the ids of its calls. @throws when anything is not as promised. */
  run(context: DemoContext): Promise<string[]>;
}

/** @throws HoldfastError when a promise of the demo does not hold. */
export function must(holds: boolean, promise: string): void {
  if (!holds) throw new HoldfastError('engine_unavailable', `The demo's promise does not hold: ${promise}.`);
}

export function ask(model: string, question: string) {
  return { model, max_tokens: 200, messages: [{ role: 'user', content: question }] };
}

/** The text of an answer in OpenAI's wire. */
export function textOfAnswer(answer: unknown): string {
  const { choices } = answer as { choices?: { message?: { content?: string | null } }[] };
  return choices?.[0]?.message?.content ?? '';
}
