/** An answer that came in one piece as the events of a stream: for callers who asked for one. */
import type { ChatAnswer, ChatEvent } from '../core/chat.ts';
import type { ProviderAnswer } from '../core/ports/provider.ts';
import { readCompletion } from './openai/decode-answer.ts';
import { objectsAt } from './read-json.ts';

export function eventsOfAnswer(answer: ProviderAnswer): ChatEvent[] {
  const { chat } = answer;
  if (chat === null) return [];
  const events: ChatEvent[] = [{ type: 'start', id: chat.id, model: chat.model, created: chat.created }];
  for (const [choice, one] of choicesOf(answer, chat).entries()) events.push(...eventsOfChoice(one, choice));
  if (chat.usage !== null) events.push({ type: 'usage', usage: chat.usage, serviceTier: chat.serviceTier });
  return events;
}

/** Only OpenAI's wire has more than one. */
function choicesOf(answer: ProviderAnswer, chat: ChatAnswer): ChatAnswer[] {
  if (answer.wire !== 'openai-chat') return [chat];
  const choices = objectsAt(answer.body, 'choices');
  if (choices.length < 2) return [chat];
  const inOrder = choices.toSorted((a, b) => Number(a.index ?? 0) - Number(b.index ?? 0));
  return inOrder.map((choice) => readCompletion({ ...answer.body, choices: [choice] }).chat ?? chat);
}

function eventsOfChoice(chat: ChatAnswer, choice: number): ChatEvent[] {
  const events: ChatEvent[] = [];
  if (chat.reasoning) events.push({ type: 'reasoning-delta', choice, text: chat.reasoning });
  if (chat.reasoningSignature) events.push({ type: 'reasoning-signature', choice, signature: chat.reasoningSignature });
  if (chat.text) events.push({ type: 'text-delta', choice, text: chat.text });
  if (chat.refusal) events.push({ type: 'refusal-delta', choice, text: chat.refusal });
  for (const [index, { arguments: argumentsDelta, ...call }] of chat.toolCalls.entries()) {
    events.push({ type: 'tool-call-start', choice, index, ...call });
    if (argumentsDelta !== '') events.push({ type: 'tool-call-delta', choice, index, argumentsDelta });
  }
  events.push({ type: 'finish', choice, reason: chat.finishReason, rawReason: chat.rawFinishReason });
  return events;
}
