import { HoldfastError } from '../core/errors.ts';

/** One thing wrong with the configuration. */
export interface ConfigProblem {
  /** Such as `models.smart.targets[0].provider`. */
  path: string;
  problem: string;
  fix: string;
}

/** All that is wrong with a configuration, in one error. */
export function configError(origin: string, problems: readonly ConfigProblem[]): HoldfastError {
  const lines = problems.map(({ path, problem, fix }) => `  ${path}: ${problem}. ${fix}`);
  return new HoldfastError(
    'invalid_request',
    `The configuration ${origin} has ${String(problems.length)} ${problems.length === 1 ? 'error' : 'errors'}:\n${lines.join('\n')}`,
    { details: { problems: problems.map((problem) => ({ ...problem })) } },
  );
}

export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${String(part)}]` : text ? `${text}.${String(part)}` : String(part),
    '',
  );
}
