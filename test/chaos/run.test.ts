/** The campaign's command line: what is wrong with it is said before anything starts, and is no missed bar. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-chaos-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = fileURLToPath(new URL('./run.ts', import.meta.url));

function run(args: readonly string[]) {
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', timeout: 30_000 });
  return { status, lines: stderr.trimEnd().split('\n') };
}

it.each([
  [['--nope'], '--nope'],
  [['--seed'], '--seed'],
  [['--seed', '--rounds'], '--seed'],
  [['--seed='], '--seed is empty'],
  [['--write=1'], '--write'],
  [['extra'], 'extra'],
  [['--rounds', 'many'], '--rounds must be'],
  [['--minutes', '0'], '--minutes must be'],
  [['--shape', 'round'], '--shape is'],
  [['--target', 'moon'], '--target is'],
])('%j is refused in one line, with exit 2', (args, message) => {
  expect(run(args)).toEqual({ status: 2, lines: [expect.stringContaining(message)] });
});

it.each([['garbage'], ['null'], ['{}'], ['{"reached":']])('a state of %s is named by its path', (text) => {
  const state = join(folder, 'state');
  mkdirSync(state, { recursive: true });
  writeFileSync(join(state, 'state.json'), text);
  expect(run(['--state', state])).toEqual({
    status: 2,
    lines: [expect.stringContaining(`${join(state, 'state.json')} is not the state of a campaign`)],
  });
});
