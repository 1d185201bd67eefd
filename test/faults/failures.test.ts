/** G1 to G4 when store, disk, bus or engine fail, the clock jumps, or a cancel comes, at a boundary of a call. */
import { it } from 'vitest';
import { expectAllClosed, playScenario, useFaultWorld } from './play-scenario.ts';
import { scenarios } from './scenarios.ts';

const world = useFaultWorld();

it.each(scenarios.filter(({ action }) => action.do !== 'kill'))('$action.do at $point: $promise', (scenario) =>
  playScenario(world(), scenario),
);

it('every workflow closes, with the outcome that the ledger has', () => expectAllClosed(world()));
