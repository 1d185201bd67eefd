/** Values of flags, checked where commander reads them. */
import { InvalidArgumentError } from 'commander';

export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535');
  return port;
}

export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw new InvalidArgumentError('a limit is a number from 1 to 1000');
  return limit;
}

export function parseSequence(text: string): number {
  const sequence = Number(text);
  if (!Number.isInteger(sequence) || sequence < 0) throw new InvalidArgumentError('a sequence number is 0 or more');
  return sequence;
}

export function parseNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('write names with commas between them: a,b');
  return names;
}
