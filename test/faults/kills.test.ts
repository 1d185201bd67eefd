/** G1 to G4 when the node is killed at each boundary of a call: what the next node, the caller, and the provider make of it. */
import { expect, it } from 'vitest';
import { ask, listCalls } from './caller.ts';
import { expectExactMoney } from './exact-money.ts';
import { expectAllClosed, playScenario, useFaultWorld } from './play-scenario.ts';
import { scenarios } from './scenarios.ts';

const world = useFaultWorld();

it.each(scenarios.filter(({ action }) => action.do === 'kill'))('killed at $point: $promise', (scenario) =>
  playScenario(world(), scenario),
);

it('killed at after-accept: a call without a key is ended, not started, for no one could get its answer', async () => {
  const { stage } = world();
  const node = await stage.node();
  const before = stage.simulator.count;
  await node.arm({ point: 'after-accept', action: { do: 'kill' } });
  expect(await ask(node.url, 'plain', null)).toMatchObject({ status: 'lost' });
  await node.exited;
  const { url } = await stage.node();
  const [call] = await listCalls(url, 1);
  expect(call).toMatchObject({ state: 'ended', outcome: 'failed', costNanoUsd: '0', attempts: [] });
  expect(stage.simulator.count).toBe(before);
  expectExactMoney(stage.ledger);
});

it('every workflow closes, with the outcome that the ledger has', () => expectAllClosed(world()));
