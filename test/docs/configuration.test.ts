import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configJsonSchema, parseSettings } from '../../src/config/load.ts';
import { DEFAULT_ROUTE } from '../../src/config/resolve.ts';
import { providerAdapters } from '../../src/providers/registry.ts';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
/** Key to default, as the tables have them. */
const documented = new Map(
  [...page.matchAll(/^\| `([^`]+)` +\| ([^|]+?) +\|/gm)].map(([, key = '', text = '']) => [key, text]),
);

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
}

/** Every key that can be written, as the page names it; budgets and limits have tables of their own. */
function keysOf(schema: Schema, path: string): string[] {
  if (documented.has(path)) {
    const own = /(budgets|limits)$/.exec(path)?.[1];
    return [path, ...(own === undefined ? [] : below(schema, own))];
  }
  return below(schema, path);
}

function below(schema: Schema, path: string): string[] {
  if (schema.items?.properties) return below(schema.items, `${path}[]`);
  if (schema.properties) {
    return Object.entries(schema.properties).flatMap(([key, value]) =>
      keysOf(value, path === '' ? key : `${path}.${key}`),
    );
  }
  if (typeof schema.additionalProperties === 'object') return below(schema.additionalProperties, `${path}.*`);
  return [path];
}

describe('docs/configuration.md', () => {
  it('has every key of the schema', () => {
    const keys = keysOf(configJsonSchema(), '');
    expect(keys.length).toBeGreaterThan(40);
    for (const key of keys) expect([...documented.keys()], key).toContain(key);
  });

  it('has the defaults of the code', () => {
    const { gateway, retention } = parseSettings('providers: {}', 'test', { env: {}, adapters: providerAdapters });
    const { retries, timeouts, onUnknown } = DEFAULT_ROUTE;
    const defaults = {
      'gateway.host': gateway.host,
      'gateway.port': gateway.port,
      'gateway.maxBodyBytes': gateway.maxBodyBytes,
      'models.*.onUnknown': onUnknown,
      'retention.idempotencyHours': retention.idempotencyMs / 3_600_000,
      'retention.payloadHours': retention.payloadMs / 3_600_000,
      'retention.callDays': retention.callMs / 86_400_000,
      ...Object.fromEntries(Object.entries(retries).map(([key, value]) => [`models.*.retries.${key}`, value])),
      ...Object.fromEntries(Object.entries(timeouts).map(([key, value]) => [`models.*.timeouts.${key}`, value])),
    };
    for (const [key, value] of Object.entries(defaults)) expect(documented.get(key), key).toBe(`\`${String(value)}\``);
  });

  it('names as not supported only what is refused', () => {
    const [, list = ''] = /refused as unknown keys: ([^\n]*)\./.exec(page) ?? [];
    const keys = [...list.matchAll(/`([^`]+)`/g)].map(([, key = '']) => key);
    expect(keys).not.toEqual([]);
    for (const key of keys) {
      const file = key.split('.').reduceRight<unknown>((value, name) => ({ [name]: value }), 'x');
      const parse = () => parseSettings(JSON.stringify(file), 'test', { env: {}, adapters: providerAdapters });
      expect(parse, key).toThrow(/unknown/);
    }
  });

  it('names every kind of provider', () => {
    for (const kind of providerAdapters.keys()) expect(page).toContain(`\`${kind}\``);
  });

  it('shows examples that hold', () => {
    const [example = ''] = [...page.matchAll(/```yaml\n(gateway:[\s\S]*?)```/g)].map(([, text]) => text);
    expect(parse(example)).toHaveProperty('models.smart');
    const env = { OPENAI_API_KEY: 'sk-test' };
    expect(() => parseSettings(example, 'the example', { env, adapters: providerAdapters })).not.toThrow();
  });
});
