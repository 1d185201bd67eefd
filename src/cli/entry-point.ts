import { fileURLToPath } from 'node:url';

/** The file that is the `holdfast` command, in `src` or in `dist`, wherever this one runs from. */
export function entryPoint(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`./main.${extension}`, import.meta.url));
}
