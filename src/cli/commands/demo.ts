/** `holdfast demo`: shows in a minute what a durable call is. */
import type { Command } from 'commander';
import { runDemo } from '../demo/run-demo.ts';
import type { CliContext } from '../context.ts';

/** What a shell reports of a command that Ctrl-C ended. */
const INTERRUPTED = 130;

export function registerDemo(program: Command, context: CliContext): void {
  program
    .command('demo')
    .description('start everything, make simulated calls of every kind, survive a kill -9, and clean up')
    .option('--stay', 'keep everything up after the last step, until Ctrl-C')
    .action(async ({ stay = false }: { stay?: boolean }) => {
      const controller = new AbortController();
      // Stays for the whole run: a second Ctrl-C must not end the clean-up half-way.
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort());
      try {
        await runDemo({ env: context.env, signal: controller.signal, stay });
      } catch (error) {
        if (!controller.signal.aborted) throw error;
        context.note('interrupted');
        context.fail(INTERRUPTED);
      }
    });
}
