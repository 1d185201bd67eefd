/** `holdfast call`: one call from the command line. The answer goes to stdout, what it took to stderr. */
import type { Command } from 'commander';
import { createClient, type CallStream, type HoldfastClient, type RequestOptions } from '../../client/index.ts';
import { gatewayOf } from '../access/open-access.ts';
import { JSON_FLAG, show, type CliContext } from '../context.ts';
import { costText } from '../format.ts';

interface CallFlags {
  stream?: boolean;
  idempotencyKey?: string;
  background?: boolean;
  json?: boolean;
}

export function registerCall(program: Command, context: CliContext): void {
  program
    .command('call <model> <prompt...>')
    .description('make a call through the running gateway, and print its answer')
    .option('--stream', 'print the answer as it comes (with --json: one chunk a line)')
    .option('--idempotency-key <key>', 'the same key gives the same answer, paid once')
    .option('--background', 'have the provider work on its own: for long calls, where it can')
    .option(...JSON_FLAG)
    .action(async (model: string, prompt: string[], flags: CallFlags) => {
      const client = createClient(gatewayOf(context.env));
      const request = { model, messages: [{ role: 'user', content: prompt.join(' ') }] };
      const options: RequestOptions = {
        ...(flags.idempotencyKey !== undefined && { idempotencyKey: flags.idempotencyKey }),
        ...(flags.background && { mode: 'background' }),
      };
      if (flags.stream) {
        const stream = await client.stream(request, options);
        await printStream(stream, flags, context);
        await note(client, stream.callId, context);
        return;
      }
      const result = await client.call(request, options);
      show(context, flags, result, () => [textOf(result.answer, 'message')]);
      await note(client, result.callId, context);
    });
}

async function printStream(stream: CallStream, { json }: CallFlags, context: CliContext): Promise<void> {
  for await (const chunk of stream) context.write(json ? `${JSON.stringify(chunk)}\n` : textOf(chunk, 'delta'));
  if (!json) context.write('\n');
}

async function note(client: HoldfastClient, callId: string, context: CliContext): Promise<void> {
  const { attempts, costNanoUsd, pricing } = await client.getCall(callId).describe();
  const last = attempts.at(-1);
  const target = last ? `${last.provider}/${last.model}` : 'no attempt';
  context.note(`${callId}  ${target}, attempts: ${String(attempts.length)}, cost: ${costText(costNanoUsd, pricing)}`);
}

/** Text of an answer or of a chunk in OpenAI's wire. */
function textOf(body: { choices?: unknown }, part: 'message' | 'delta'): string {
  const choices = body.choices as Partial<Record<typeof part, { content?: string | null }>>[] | undefined;
  return choices?.[0]?.[part]?.content ?? '';
}
