/** OpenAI's `chat.completion.chunk` stream to canonical events, with the whole answer assembled on the way. */
import type { ChatEvent } from '../../core/chat.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { StreamDecoder } from '../../core/ports/provider.ts';
import { brokenAnswer } from '../broken-answer.ts';
import { numberAt, objectAt, objectsAt, parseJsonObject, stringAt } from '../read-json.ts';
import type { ChoiceStream } from './choice-stream.ts';
import { createChoiceStream } from './choice-stream.ts';
import { readCompletion } from './decode-answer.ts';
import { holdsError, openAiErrorEvent } from './map-failure.ts';
import { setOwn } from './merge-delta.ts';
import { readOpenAiUsage } from './usage.ts';

export interface OpenAiStreamOptions {
  /** `[DONE]` must come. False for servers that leave it out: then all choices finished is enough. */
  readonly mustSayDone: boolean;
}

export function createOpenAiStreamDecoder(options: OpenAiStreamOptions): StreamDecoder {
  const top: JsonObject = { id: '', object: 'chat.completion', created: 0, model: '' };
  const choices = new Map<number, ChoiceStream>();
  let isStarted = false;
  let isDone = false;
  const answerId = () => stringAt(top, 'id') ?? '';

  function choiceAt(index: number): ChoiceStream {
    let choice = choices.get(index);
    if (choice === undefined) {
      choice = createChoiceStream(index, answerId);
      choices.set(index, choice);
    }
    return choice;
  }

  function readTop(chunk: JsonObject): void {
    for (const key in chunk) {
      const value = chunk[key];
      // The first id, model and time stay: they must be constant, and some servers' later chunks leave them empty.
      if (SKIPPED_FIELDS.has(key) || value === undefined || value === null) continue;
      if (CONSTANT_FIELDS.has(key) && top[key]) continue;
      setOwn(top, key, value);
    }
  }

  function readChunk(chunk: JsonObject): ChatEvent[] {
    const events: ChatEvent[] = [];
    readTop(chunk);
    const parts = objectsAt(chunk, 'choices');
    if (!isStarted && parts.length > 0) {
      isStarted = true;
      events.push({
        type: 'start',
        id: answerId(),
        model: stringAt(top, 'model') ?? '',
        created: numberAt(top, 'created') ?? 0,
      });
    }
    for (const part of parts) choiceAt(numberAt(part, 'index') ?? 0).push(part, events);
    const usage = objectAt(chunk, 'usage');
    if (usage !== undefined) {
      events.push({ type: 'usage', usage: readOpenAiUsage(usage), serviceTier: stringAt(top, 'service_tier') ?? null });
    }
    return events;
  }

  return {
    push(event) {
      const data = event.data;
      if (data === '' || isDone) return [];
      if (data.startsWith('[DONE]')) {
        isDone = true;
        return [];
      }
      const chunk = parseJsonObject(data);
      if (chunk === undefined) throw brokenAnswer('The stream holds an event that is not a JSON object.');
      if (holdsError(chunk)) throw openAiErrorEvent(chunk.error ?? null);
      if (event.event === 'error') throw openAiErrorEvent(chunk);
      return readChunk(chunk);
    },
    get isComplete() {
      if (isDone) return choices.size > 0;
      return !options.mustSayDone && choices.size > 0 && [...choices.values()].every((choice) => choice.isFinished);
    },
    get hasEnded() {
      return isDone;
    },
    answer() {
      const whole: Json[] = [...choices].sort(([a], [b]) => a - b).map(([, choice]) => choice.whole());
      return readCompletion({ ...top, choices: whole });
    },
  };
}

const SKIPPED_FIELDS: ReadonlySet<string> = new Set(['choices', 'object', 'obfuscation']);
const CONSTANT_FIELDS: ReadonlySet<string> = new Set(['id', 'model', 'created']);
