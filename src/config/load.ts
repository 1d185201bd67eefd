/** Finds, reads and checks the configuration: one error with everything that is wrong, or settings that hold. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import type { ProviderAdapter } from '../core/ports/provider.ts';
import type { Settings } from '../core/settings.ts';
import { builtInConfig } from './built-in.ts';
import { configError, pathText, type ConfigProblem } from './config-error.ts';
import { resolveConfig } from './resolve.ts';
import { salvage } from './salvage.ts';
import { configSchema } from './schema.ts';

const DEFAULT_PATH = './holdfast.yaml';
/** Against files that grow without end by aliases of aliases. */
const MAX_ALIASES = 100;

export interface LoadOptions {
  env: Readonly<Record<string, string | undefined>>;
  adapters: ReadonlyMap<string, ProviderAdapter>;
}

/**
 * The settings from `HOLDFAST_CONFIG`, else `./holdfast.yaml` if present, else the built-in demo configuration.
 * @throws HoldfastError `invalid_request` with every problem, each with its path and fix.
 */
export function loadSettings(options: LoadOptions): Settings {
  const file = readConfigValue(options.env);
  return file
    ? settingsFrom(file.value, file.origin, options)
    : settingsFrom(builtInConfig(options), 'built-in', options);
}

/** What stands in the file, unchecked; null without a file. @throws HoldfastError `invalid_request` when it is no YAML. */
export function readConfigValue(env: LoadOptions['env']): { origin: string; value: unknown } | null {
  const named = env['HOLDFAST_CONFIG'];
  if (!named && !existsSync(DEFAULT_PATH)) return null;
  const origin = resolve(named ?? DEFAULT_PATH);
  return { origin, value: parseConfig(readConfig(origin), origin) };
}

/** Checks YAML text. `origin` names it in errors. */
export function parseSettings(text: string, origin: string, options: LoadOptions): Settings {
  return settingsFrom(parseConfig(text, origin), origin, options);
}

function parseConfig(text: string, origin: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw configError(
      origin,
      document.errors.map((error) => ({
        path: `line ${String(error.linePos?.[0].line ?? 1)}`,
        problem: error.message.split('\n')[0] ?? 'it is not YAML',
        fix: 'Correct the YAML.',
      })),
    );
  }
  return valueOf(document, origin);
}

function valueOf(document: Document, origin: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw configError(origin, [{ path: '(top)', problem: error.message, fix: 'Use fewer YAML aliases.' }]);
  }
}

/** The JSON Schema of the file, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

function settingsFrom(value: unknown, origin: string, options: LoadOptions): Settings {
  const parsed = configSchema.safeParse(value ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap(problemsOf);
    throw configError(origin, [...problems, ...brokenReferences(value, origin, options)]);
  }
  const { settings, problems } = resolveConfig(parsed.data, { origin, env: options.env, adapters: options.adapters });
  if (problems.length > 0) throw configError(origin, problems);
  return settings;
}

/** Where the shape is wrong too: what the rest of the file refers to and lacks. */
function brokenReferences(value: unknown, origin: string, options: LoadOptions): ConfigProblem[] {
  const rest = salvage(value);
  if (!rest) return [];
  const removed = rest.removed.map(pathText);
  // What refers to an entry that had to be taken out is not wrong for that.
  const blind = ['providers', 'models', 'tenants'].some((group) =>
    rest.removed.some((path) => path[0] === group && path.length <= 2),
  );
  return resolveConfig(rest.file, { origin, ...options }).problems.filter(
    ({ path }) => !removed.some((gone) => path.startsWith(gone)) && !(blind && /^(?:models|keys)\b/.test(path)),
  );
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const problem = `it cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'})`;
    throw configError(path, [
      { path: '(file)', problem, fix: 'Correct HOLDFAST_CONFIG, or unset it for the demo configuration.' },
    ]);
  }
}

function problemsOf(issue: z.core.$ZodIssue): ConfigProblem[] {
  const path = pathText(issue.path) || '(top)';
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: path === '(top)' ? key : `${path}.${key}`,
      problem: 'this key is unknown',
      fix: 'Remove it or correct its spelling; `holdfast config schema` lists all keys.',
    }));
  }
  return [{ path, problem: issue.message, fix: 'See `holdfast config schema`.' }];
}
