/**
 * Gemini's stream of partial responses to canonical events, with the whole response assembled on the way. The wire has no
 * end mark: the answer is whole when a finish reason was seen and the body has ended.
 */
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import type { StreamDecoder } from '../../core/ports/provider.ts';
import { brokenAnswer } from '../broken-answer.ts';
import { objectAt, objectsAt, parseJsonObject, stringAt } from '../read-json.ts';
import { ownedSignature } from '../reasoning-signature.ts';
import { readCall, readResponse, refuseWithoutCandidate } from './decode-answer.ts';
import { readGeminiFinishReason } from './finish-reason.ts';
import { readGeminiUsage } from './usage.ts';

export function createGeminiStreamDecoder(createdSeconds: number): StreamDecoder {
  let top: JsonObject = {};
  let candidate: JsonObject = {};
  const parts: JsonObject[] = [];
  let isStarted = false;
  let toolCount = 0;
  let finishReason: string | null = null;

  function start(): ChatEvent[] {
    if (isStarted) return [];
    isStarted = true;
    const id = stringAt(top, 'responseId') ?? '';
    return [{ type: 'start', id, model: stringAt(top, 'modelVersion') ?? '', created: createdSeconds }];
  }

  function readPart(part: JsonObject): ChatEvent[] {
    keepPart(parts, part);
    if (objectAt(part, 'functionCall') !== undefined) {
      const { arguments: argumentsDelta, ...call } = readCall(part, stringAt(top, 'responseId') ?? '', toolCount);
      const index = toolCount;
      toolCount += 1;
      return [
        { type: 'tool-call-start', choice: 0, index, ...call },
        { type: 'tool-call-delta', choice: 0, index, argumentsDelta },
      ];
    }
    const events: ChatEvent[] = [];
    const text = stringAt(part, 'text') ?? '';
    if (text !== '') events.push({ type: part.thought === true ? 'reasoning-delta' : 'text-delta', choice: 0, text });
    const signature = ownedSignature('gemini', stringAt(part, 'thoughtSignature'));
    if (signature !== null) events.push({ type: 'reasoning-signature', choice: 0, signature });
    return events;
  }

  function readChunk(chunk: JsonObject): ChatEvent[] {
    const { candidates: _parts, ...rest } = chunk;
    top = { ...top, ...rest };
    const part = objectsAt(chunk, 'candidates').find(({ index }) => index === undefined || index === 0);
    const events: ChatEvent[] = [];
    if (part !== undefined) {
      events.push(...start());
      const { content, ...fields } = part;
      candidate = { ...candidate, ...fields };
      for (const one of objectsAt(objectAt(part, 'content'), 'parts')) events.push(...readPart(one));
      const reason = stringAt(part, 'finishReason') ?? null;
      if (reason !== null && finishReason === null) {
        finishReason = reason;
        events.push({
          type: 'finish',
          choice: 0,
          reason: readGeminiFinishReason(reason, toolCount > 0),
          rawReason: reason,
        });
      }
    }
    // Every chunk counts what was so far; only the counts that come with the end are final.
    const usage = objectAt(chunk, 'usageMetadata');
    if (finishReason !== null && usage !== undefined) {
      events.push({
        type: 'usage',
        usage: readGeminiUsage(usage),
        serviceTier: stringAt(usage, 'serviceTier') ?? null,
      });
    }
    return events;
  }

  return {
    push({ data }) {
      if (data === '') return [];
      const chunk = parseJsonObject(data);
      if (chunk === undefined) throw brokenAnswer('The stream holds an event that is not a JSON object.');
      refuseWithoutCandidate(chunk);
      return readChunk(chunk);
    },
    get isComplete() {
      return finishReason !== null;
    },
    hasEnded: false,
    answer() {
      const whole = { ...candidate, content: { role: 'model', parts } };
      const answer = readResponse({ ...top, candidates: [whole] }, createdSeconds);
      if (finishReason !== null || answer.chat === null) return answer;
      return { ...answer, usage: null, chat: { ...answer.chat, usage: null } };
    },
  };
}

/** Text goes on in the part before it, unless a signature closed that part or one of them is a thought. */
function keepPart(parts: JsonObject[], part: JsonObject): void {
  const last = parts.at(-1);
  const isPlain = (one: JsonObject) => typeof one.text === 'string' && one.thoughtSignature === undefined;
  if (last !== undefined && isPlain(last) && isPlain(part) && last.thought === part.thought) {
    last.text = `${stringAt(last, 'text') ?? ''}${stringAt(part, 'text') ?? ''}`;
  } else {
    parts.push({ ...part });
  }
}
