/** What the pages point at exists: links, files, npm scripts; and their YAML is a configuration that holds. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parseSettings } from '../../src/config/load.ts';
import { providerAdapters } from '../../src/providers/registry.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT });
const read = (page: string) => readFileSync(resolve(ROOT, page), 'utf8');

it.each(pages)('%s links to pages that exist', (page) => {
  for (const [, target = ''] of read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
    if (/^https?:/.test(target)) continue;
    expect(existsSync(resolve(ROOT, dirname(page), target)), target).toBe(true);
  }
});

it.each(pages)('%s names files that exist', (page) => {
  for (const [, path = ''] of read(page).matchAll(/`((?:src|test|bench|deploy|docs|\.ci)\/[\w./*-]+)`/g)) {
    expect(globSync(path, { cwd: ROOT }), path).not.toEqual([]);
  }
});

it.each(pages)('%s names npm scripts that exist', (page) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const [line, script = ''] of read(page).matchAll(/npm run (?:-s )?([\w:-]+)[^\n]*/g)) {
    if (line.includes('does not exist yet')) continue;
    expect(Object.keys(scripts)).toContain(script);
  }
});

it('the example of the README is a configuration that holds', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
  const settings = parseSettings(example, 'README.md', {
    env: { OPENAI_API_KEY: 'sk-test' },
    adapters: providerAdapters,
  });
  expect([...settings.models.keys()]).toEqual(['smart']);
});
