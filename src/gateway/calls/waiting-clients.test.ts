import { expect, it } from 'vitest';
import { createWaitingClients } from './waiting-clients.ts';

it('the last who had a say decides, once the last of all has left', () => {
  const clients = createWaitingClients();
  const [door, reader] = [clients.enter('call_1'), clients.enter('call_1')];
  expect([door(true), reader()]).toEqual(['stay', 'cancel']);
  const [first, second] = [clients.enter('call_1'), clients.enter('call_1')];
  expect([first(true), second(false)]).toEqual(['stay', 'release']);
  expect(clients.enter('call_1')()).toBe('go on');
});

it('who wanted it cancelled is remembered over all who spare it after that', () => {
  const clients = createWaitingClients();
  const [door, one, other] = [clients.enter('call_1'), clients.enter('call_1'), clients.enter('call_1')];
  expect([door(true), one(false), other(false)]).toEqual(['stay', 'stay', 'release']);
});
