/** What runs in the workflow sandbox is small and pure: no Node built-in, no zod, a bounded heap for each cached workflow. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { workflowBundle } from '../../src/workers/bundle.ts';

/** The SDK's own part is about 1.2 MB unminified; ours may not grow it by more than a fifth. */
const MAX_BUNDLE_BYTES = 1_700_000;

describe('the workflow bundle', () => {
  it('is small, and holds no library but the SDK', async () => {
    const { code } = await workflowBundle();
    const source = code.split('//# sourceMappingURL')[0] ?? '';
    expect(source.length).toBeLessThan(MAX_BUNDLE_BYTES);
    const foreign = [...source.matchAll(/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//g)].map(([, name]) => name);
    expect([...new Set(foreign)].filter((name) => !name?.startsWith('@temporalio/')).sort()).toEqual(
      expect.not.arrayContaining(['zod', 'kysely', 'undici', 'fastify', 'pino', 'lru-cache', 'yaml']),
    );
  });

  it('imports nothing from Node', () => {
    const root = fileURLToPath(new URL('../../src/', import.meta.url));
    const files = ['core', 'workflows'].flatMap((folder) =>
      readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
        .map((file) => `${root}${folder}/${file}`),
    );
    expect(files.length).toBeGreaterThan(10);
    const builtins = new Set(builtinModules);
    for (const file of files) {
      const imports = [...readFileSync(file, 'utf8').matchAll(/from '([^']+)'/g)].map(([, name = '']) => name);
      expect(
        imports.filter((name) => name.startsWith('node:') || builtins.has(name)),
        file,
      ).toEqual([]);
    }
  });
});
