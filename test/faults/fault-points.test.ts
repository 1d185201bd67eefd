import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FAULT_POINTS } from '../../src/core/ports/fault-points.ts';
import { scenarios } from './scenarios.ts';

it('every fault point has a scenario', () => {
  expect(new Set(scenarios.map(({ point }) => point))).toEqual(new Set(FAULT_POINTS));
});

it('every fault point is a boundary in the code, and nothing that is released can switch one on', () => {
  const read = (path: string) => readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8');
  const boundaries = [
    'gateway/calls/call-service.ts',
    'activities/call-steps.ts',
    'attempts/run-attempt.ts',
    'attempts/dispatch-attempt.ts',
    'attempts/start-kept.ts',
    'attempts/follow-kept.ts',
    'attempts/record-attempt.ts',
  ];
  const reached = boundaries.flatMap((path) => [...read(path).matchAll(/faults\?\.reach\('([a-z-]+)'/g)]);
  expect([...new Set(reached.map(([, name]) => name))].sort()).toEqual([...FAULT_POINTS].sort());
  for (const path of ['gateway/embedded.ts', 'config/schema.ts', 'core/settings.ts', 'cli/commands/up.ts']) {
    expect(read(path)).not.toMatch(/\bfault/i);
  }
});
