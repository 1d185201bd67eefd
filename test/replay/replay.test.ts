/** G6: histories that each release recorded replay on this code, and a workflow that changed its decisions does not pass. */
import { describe, expect, it } from 'vitest';
import { replayHistories } from '../../src/cli/replay/replay-histories.ts';
import { installRuntime } from '../../src/temporal/runtime.ts';
import { workflowBundle } from '../../src/workers/bundle.ts';
import { bundleOf } from '../support/bundle-of.ts';
import { corpusHistories, corpusReleases, readableText } from '../support/corpus.ts';
import { scenarios } from '../workflows/scenarios.ts';
import { playedScenarios } from './played-scenarios.ts';

installRuntime(() => undefined);
const releases = corpusReleases();

describe('the replay corpus', () => {
  it('has a release, and every scenario in it', () => {
    expect(releases.length).toBeGreaterThan(0);
    const recorded = corpusHistories().map(({ name }) => name);
    expect(recorded.sort()).toEqual([...scenarios, ...playedScenarios].map(({ name }) => name).sort());
  });

  it.each(releases)('of %s replays on this code', async (release) => {
    const verdicts = await Array.fromAsync(replayHistories(await workflowBundle(), corpusHistories(release)));
    expect(verdicts).toHaveLength(corpusHistories(release).length);
    const failed = verdicts.filter(({ divergence }) => divergence !== null);
    expect(failed.map(({ recorded, divergence }) => [recorded.name, divergence])).toEqual([]);
  });

  it('does not replay on a workflow whose steps were reordered, and the event is named', async () => {
    const reordered = await bundleOf(new URL('changes/reordered-workflow.ts', import.meta.url));
    const [succeeded] = corpusHistories().filter(({ name }) => name === 'succeeded');
    const [verdict] = await Array.fromAsync(replayHistories(reordered, succeeded ? [succeeded] : []));
    expect(verdict?.divergence).toMatchObject({ kind: 'non-determinism', eventId: expect.any(Number) });
  });

  it('holds no prompt, no answer, no secret and no name of a machine', () => {
    for (const release of releases) {
      for (const { name, text } of corpusHistories(release)) {
        expect(readableText(text), name).not.toMatch(/"\d+@|"[\w.-]+:\d+:\d{13}|node_modules/);
        // The callers of these chose to put the request into history.
        if (name.includes('inline') || name.startsWith('cancelled-')) continue;
        expect(readableText(text), name).not.toMatch(/a scenario|\[simulated\]|sk-ant-|hk_[anpt]{43}/);
      }
    }
  });
});
