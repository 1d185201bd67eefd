/** The commands and their flags. */
import { Command } from 'commander';
import { registerDemo } from './commands/demo.ts';
import { registerUp } from './commands/up.ts';

export interface CliContext {
  env: NodeJS.ProcessEnv;
}

export function createProgram(context: CliContext): Command {
  const program = new Command('holdfast').description('Durable orchestration for LLM calls.').showHelpAfterError();
  registerUp(program, context);
  registerDemo(program, context);
  return program;
}
