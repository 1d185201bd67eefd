import { expect, it } from 'vitest';
import { corpusHistories } from '../support/corpus.ts';
import { classesOf } from './classify-history.ts';
import { outcomeClasses } from './outcome-classes.ts';

const corpus = corpusHistories();

/** The classes that no history shows. */
function missing(type: keyof typeof outcomeClasses, histories = corpus): string[] {
  const shown = histories.filter(({ workflowType }) => workflowType === type).map(classesOf);
  return outcomeClasses[type].filter((one) => !shown.some((set) => set.has(one)));
}

it.each(Object.keys(outcomeClasses) as (keyof typeof outcomeClasses)[])(
  'the corpus has every outcome class of %s',
  (type) => {
    expect(missing(type)).toEqual([]);
  },
);

it('a corpus without the one history that shows a class lacks it', () => {
  const without = (gone: string) => corpus.filter(({ name }) => name !== gone);
  expect(missing('llmCall', without('stream-restarted'))).toEqual(['restarted after a rollback']);
  expect(missing('reconcileAttempts', without('sweeps-continued-as-new'))).toEqual(['run CONTINUED_AS_NEW']);
});
