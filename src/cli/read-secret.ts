/** A secret from a pipe or a hidden prompt; never from the command line, which other users and the shell's history see. */
import { isCancel, password } from '@clack/prompts';
import { HoldfastError } from '../core/errors.ts';
import type { CliContext } from './context.ts';

const MAX_SECRET_BYTES = 64 * 1024;

export async function readSecret(
  { stdin }: CliContext,
  { name, fromStdin }: { name: string; fromStdin: boolean },
): Promise<string> {
  if (fromStdin) return (await readAll(stdin)).replace(/\r?\n$/, '');
  if (!stdin.isTTY) {
    throw new HoldfastError(
      'invalid_request',
      'There is no terminal to ask on: pipe the secret in and add --secret-stdin.',
    );
  }
  // Asked on stderr: stdout is for the result.
  const answer = await password({ message: `Value of ${name}`, input: stdin, output: process.stderr });
  if (isCancel(answer)) throw new HoldfastError('cancelled', 'Nothing was stored.');
  return answer;
}

async function readAll(stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.byteLength;
    if (size > MAX_SECRET_BYTES)
      throw new HoldfastError('invalid_request', `A secret is at most ${String(MAX_SECRET_BYTES)} bytes.`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
