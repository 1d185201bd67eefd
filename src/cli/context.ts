/** What a command may touch of the world around it. */
export interface CliContext {
  env: NodeJS.ProcessEnv;
  stdin: NodeJS.ReadStream;
  /** To stdout, as it is. */
  write(text: string): void;
  /** A line for people, to stderr. */
  note(line: string): void;
  /** The command did its work, and the answer is no: exit code 1, or another. */
  fail(exitCode?: number): void;
}

/** Shows a result: the value itself with `--json`, else lines. */
export function show(
  context: CliContext,
  { json = false }: { json?: boolean },
  value: unknown,
  lines: () => readonly string[],
): void {
  context.write(
    json
      ? `${JSON.stringify(value, null, 2)}\n`
      : lines()
          .map((line) => `${line}\n`)
          .join(''),
  );
}

export const JSON_FLAG = ['--json', 'print JSON'] as const;
