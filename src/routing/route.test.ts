import { expect, it } from 'vitest';
import { parseSettings } from '../config/load.ts';
import { providerAdapters } from '../providers/registry.ts';
import { routeOf } from './route.ts';

const settings = parseSettings(
  `
providers: { sim: { kind: simulated }, a.b: { kind: simulated } }
models:
  smart: { targets: [{ provider: sim, model: x }], retries: { maxAttempts: 7 } }
`,
  'test',
  { env: {}, adapters: providerAdapters },
);

it('an alias has its own route, `provider/model` the default one with that target', () => {
  expect(routeOf(settings, 'smart')).toMatchObject({
    targets: [{ provider: 'sim', model: 'x' }],
    retries: { maxAttempts: 7 },
  });
  expect(routeOf(settings, 'a.b/org/model:1')).toEqual({
    ...settings.defaultRoute,
    targets: [{ provider: 'a.b', model: 'org/model:1' }],
  });
});

it.each(['nope', 'nope/x', 'sim/', 'sim', '/x', '', '__proto__', 'constructor/x'])(
  '%j is no model, and the error says what is',
  (model) => {
    expect(() => routeOf(settings, model)).toThrow(/does not exist.*smart.*sim, a\.b/);
  },
);

it('the error repeats only the beginning of an endless name', () => {
  expect(() => routeOf(settings, 'x'.repeat(10_000))).toThrow(/^The model "x{80}\.\.\."/);
});
