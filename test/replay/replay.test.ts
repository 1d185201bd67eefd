/** G6: histories that each release recorded replay on this code, and a workflow that changed its decisions does not pass. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { describe, expect, it } from 'vitest';
import { workflowBundle } from '../../src/workers/bundle.ts';
import { installRuntime } from '../../src/temporal/runtime.ts';
import { scenarios } from '../workflows/scenarios.ts';

installRuntime(ignore);
const root = new URL('histories/', import.meta.url);
const releases = readdirSync(root);

function* historiesOf(release: string) {
  for (const file of readdirSync(new URL(`${release}/`, root))) {
    const json: unknown = JSON.parse(readFileSync(new URL(`${release}/${file}`, root), 'utf8'));
    yield { workflowId: file.replace('.json', ''), history: historyFromJSON(json) };
  }
}

async function replay(code: Parameters<typeof Worker.runReplayHistories>[0]['workflowBundle'], release: string) {
  const results: { workflowId: string; error?: Error }[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: code }, historiesOf(release))) {
    results.push({ workflowId, ...(error && { error }) });
  }
  return results;
}

describe('the replay corpus', () => {
  it('has a release, and every scenario in it', () => {
    expect(releases.length).toBeGreaterThan(0);
    const recorded = [...historiesOf(releases.at(-1)!)].map(({ workflowId }) => workflowId).sort();
    expect(recorded).toEqual(scenarios.map(({ name }) => name).sort());
  });

  for (const release of releases) {
    it(`of ${release} replays on this code`, async () => {
      const results = await replay(await workflowBundle(), release);
      expect(results.filter(({ error }) => error)).toEqual([]);
      expect(results).toHaveLength([...historiesOf(release)].length);
    });
  }

  it('does not replay on a workflow whose steps were reordered', async () => {
    const reordered = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('reordered-workflow.ts', import.meta.url)),
      logger: { log: ignore, trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore },
    });
    const results = await replay(reordered, releases.at(-1)!);
    const succeeded = results.find(({ workflowId }) => workflowId === 'succeeded');
    expect(succeeded?.error).toBeInstanceOf(DeterminismViolationError);
  });

  it('holds no prompt, no answer and no secret', () => {
    for (const release of releases) {
      for (const file of readdirSync(new URL(`${release}/`, root))) {
        // The caller of this one chose to put the request into history.
        if (file === 'succeeded-inline.json' || file.startsWith('cancelled-')) continue;
        const text = readFileSync(new URL(`${release}/${file}`, root), 'utf8');
        const payloads = [...text.matchAll(/"data": "([A-Za-z0-9+/=]+)"/g)].map(([, data = '']) =>
          Buffer.from(data, 'base64').toString(),
        );
        const all = `${text}\n${payloads.join('\n')}`;
        expect(all).not.toMatch(/a scenario|\[simulated\]|sk-ant-|hk_[anp]{43}/);
      }
    }
  });
});

function ignore(): void {
  // The bundler's progress is of no interest here.
}
