/** Responses in the background, read by the official client: begun, streamed, disturbed, asked for again. */
import OpenAI from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../test/support/test-node.ts';
import { startSimulator, type Simulator } from './simulator.ts';

let simulator: Simulator;
let openai: OpenAI;
beforeAll(async () => {
  simulator = await startSimulator();
  openai = new OpenAI({ apiKey: 'none', baseURL: `${simulator.url}/v1`, maxRetries: 0 });
});
afterAll(() => simulator.close());

/** Reads events until enough have come, or the stream breaks. */
async function eventsOf(stream: AsyncIterable<ResponseStreamEvent>, enough = Infinity): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  try {
    for await (const event of stream) {
      events.push(event);
      if (events.length >= enough) break;
    }
  } catch (error) {
    if (!(error instanceof OpenAI.APIConnectionError) && !(error instanceof TypeError)) throw error;
  }
  return events;
}
const begin = (model: string, input: string) =>
  openai.responses.create({ model, input, background: true, store: true, stream: true });
const again = (id: string, starting_after?: number) =>
  openai.responses.retrieve(id, { stream: true, ...(starting_after !== undefined && { starting_after }) });
const idOf = (events: readonly ResponseStreamEvent[]) => {
  const [first] = events;
  if (first?.type !== 'response.created') throw new Error('it did not begin with its response');
  return first.response.id;
};
const textOf = (events: readonly ResponseStreamEvent[]) =>
  events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');

describe('a response in the background as a stream', () => {
  it('has numbered events from 0, and ends with the response that it is in one piece', async () => {
    const events = await eventsOf(await begin('sim-small+reasoning=2', 'whole'));
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()]);
    const last = events.at(-1);
    const whole: Response | null = last?.type === 'response.completed' ? last.response : null;
    expect(await openai.responses.retrieve(idOf(events))).toMatchObject({ ...whole });
    expect(whole?.output.at(-1)).toMatchObject({ content: [{ text: textOf(events) }] });
    expect(textOf(events)).toContain('[simulated]');
  });

  it('is the same under its numbers whenever and from wherever it is asked for, and each question counts', async () => {
    const events = await eventsOf(await begin('sim-small', 'again'));
    const { streams, asked, count } = simulator;
    expect(await eventsOf(await again(idOf(events)))).toEqual(events);
    expect(await eventsOf(await again(idOf(events), 6))).toEqual(events.slice(7));
    expect([simulator.streams - streams, simulator.asked - asked, simulator.count - count]).toEqual([2, 0, 0]);
  });

  it('waits where it was told to, is at work until then, and goes on for all who read it', async () => {
    const { working } = simulator;
    const first = await eventsOf(await begin('sim-small+holds=3', 'held'), 7);
    expect(first.at(-1)?.type).toBe('response.output_text.delta');
    expect(simulator.working - working).toBe(1);
    const rest = again(idOf(first), 6).then((stream) => eventsOf(stream));
    expect((await openai.responses.retrieve(idOf(first))).status).toBe('in_progress');
    simulator.release();
    expect((await rest).at(-1)?.type).toBe('response.completed');
    expect(simulator.working - working).toBe(0);
  });

  it('is cut as often as told, and works on', async () => {
    const events = await eventsOf(await begin('sim-small+cut=5+times=2', 'cut'));
    expect(events).toHaveLength(5);
    const second = await eventsOf(await again(idOf(events), 4));
    expect(second.map(({ sequence_number }) => sequence_number)).toEqual([5, 6, 7, 8, 9]);
    expect((await eventsOf(await again(idOf(events), 9))).at(-1)?.type).toBe('response.completed');
  });

  it('falls silent as told until its reader leaves', async () => {
    const stream = await begin('sim-small+stall=2', 'silent');
    const events: ResponseStreamEvent[] = [];
    const reading = (async () => {
      for await (const event of stream) events.push(event);
    })();
    await until('it is silent', () => events.length === 2);
    stream.controller.abort();
    await reading;
    expect(events).toHaveLength(2);
  });

  it('ends without an end when it is cancelled', async () => {
    const stream = await begin('sim-small+holds=1', 'cancelled');
    const events: ResponseStreamEvent[] = [];
    for await (const event of stream) {
      events.push(event);
      if (event.type === 'response.output_text.delta') await openai.responses.cancel(idOf(events));
    }
    expect(events.at(-1)?.type).toBe('response.output_text.delta');
    expect((await openai.responses.retrieve(idOf(events))).status).toBe('cancelled');
  });

  it('that failed says so at its end', async () => {
    const events = await eventsOf(await begin('sim-small+fails=1', 'failing'));
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { error: { code: 'server_error' } } });
  });

  it('cannot be had again where it was told so, where it was not begun as one, and where there is none', async () => {
    const once = idOf(await eventsOf(await begin('sim-small+once=1', 'once')));
    const { id } = await openai.responses.create({ model: 'sim-small', input: 'json', background: true });
    await expect(again(once)).rejects.toMatchObject({ status: 400 });
    await expect(again(id)).rejects.toMatchObject({ status: 404 });
    await expect(again('resp_none')).rejects.toMatchObject({ status: 404 });
  });
});
