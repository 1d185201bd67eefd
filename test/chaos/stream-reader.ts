/** A client's view of an SSE stream. Written on its own, not with our codecs, so that it can contradict them. */
export interface StreamReader {
  push(chunk: Uint8Array): void;
  readonly text: string;
  /** `id` of the last event that came whole. */
  readonly lastEventId: string | null;
  /** `[DONE]` came. */
  readonly isDone: boolean;
  /** The code of an error event; null when none came. */
  readonly errorCode: string | null;
}

interface Chunk {
  error?: { code?: string };
  choices?: { delta?: { content?: string } }[];
}

export function createStreamReader(): StreamReader {
  const decoder = new TextDecoder();
  let rest = '';
  let text = '';
  let isDone = false;
  let lastEventId: string | null = null;
  let errorCode: string | null = null;

  function take(event: string): void {
    const data = event
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => line.slice('data: '.length))
      .join('\n');
    lastEventId = /^id: (.+)$/m.exec(event)?.[1] ?? lastEventId;
    if (data === '') return;
    if (data === '[DONE]') {
      isDone = true;
      return;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) errorCode = chunk.error.code ?? 'unnamed';
    // Text after an end mark is a fault like any other: it is kept, and matches no answer.
    text += chunk.choices?.[0]?.delta?.content ?? '';
  }

  return {
    push(chunk) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) take(event);
    },
    get text() {
      return text;
    },
    get lastEventId() {
      return lastEventId;
    },
    get isDone() {
      return isDone;
    },
    get errorCode() {
      return errorCode;
    },
  };
}
