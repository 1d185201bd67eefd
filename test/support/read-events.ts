/** Server-sent events as a client without an SDK reads them. */
import { createSseParser } from '../../src/providers/sse/parse-sse.ts';

export interface Received {
  id?: string;
  event?: string;
  data: string;
}

/** Leaving the loop closes the connection. */
export async function* readEvents(response: Response): AsyncGenerator<Received> {
  const parser = createSseParser();
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) yield* parser.push(chunk);
  yield* parser.end();
}

/** The text of a stream in either of the doors' wires. */
export function textOf(events: readonly Received[]): string {
  return events
    .map(({ data }) => {
      if (!data.startsWith('{')) return '';
      const { choices, delta } = JSON.parse(data) as {
        choices?: { delta: { content?: string } }[];
        delta?: { text?: string };
      };
      return choices?.[0]?.delta.content ?? delta?.text ?? '';
    })
    .join('');
}
