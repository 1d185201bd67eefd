/**
 * The canonical chat: OpenAI's Chat Completions JSON as the superset. Requests and answers are that JSON with unknown
 * fields kept; these types name the parts that the engine and the converters read. Extensions to it are marked.
 * Streams are typed events that every wire decodes into and encodes from.
 */
import type { JsonObject } from './json.ts';
import type { Usage } from './usage.ts';

/** The formats a request or an answer can stand in. `openai-chat` is also the canonical form. */
export type Wire = 'openai-chat' | 'openai-embeddings' | 'openai-responses' | 'anthropic-messages' | 'gemini-generate';

/** Something a conversion could not carry over. Goes out in `x-holdfast-warnings` and stands in the attempt. */
export interface ConversionWarning {
  /** Where the lost value stood, in the source wire's own path: `messages[2].content[0].cache_control`. */
  path: string;
  message: string;
}

export interface ChatRequest extends JsonObject {
  model: string;
  messages: JsonObject[];
  stream?: boolean;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export interface ToolCall {
  id: string;
  name: string;
  /** JSON text as the model wrote it; may be invalid JSON. */
  arguments: string;
  /**
   * Opaque proof that a next turn must send back with this very call (Gemini `thoughtSignature`).
   * Extension: `tool_calls[i].extra_content.google.thought_signature`, the name Google's OpenAI endpoint gives it.
   */
  signature?: string;
}

/** An answer with one choice, as every wire can give it. Answers with more choices pass through on their own wire only. */
export interface ChatAnswer {
  id: string;
  model: string;
  /** Unix seconds. */
  created: number;
  text: string | null;
  refusal: string | null;
  /** Reasoning text, where the provider shows it. Extension: `message.reasoning_content`. */
  reasoning: string | null;
  /** Opaque proof of the reasoning (Anthropic `signature`, Gemini `thoughtSignature`) that a next turn must send back. Extension: `message.reasoning_signature`. */
  reasoningSignature: string | null;
  toolCalls: ToolCall[];
  finishReason: FinishReason;
  /** The stop reason in the provider's own word, such as `end_turn` or `MAX_TOKENS`. */
  rawFinishReason: string | null;
  usage: Usage | null;
  serviceTier: string | null;
}

/** One step of a streamed answer. `choice` is the index of the choice (0 unless the caller asked for several). */
export type ChatEvent =
  | { type: 'start'; id: string; model: string; created: number }
  | { type: 'text-delta'; choice: number; text: string }
  | { type: 'refusal-delta'; choice: number; text: string }
  | { type: 'reasoning-delta'; choice: number; text: string }
  | { type: 'reasoning-signature'; choice: number; signature: string }
  | { type: 'tool-call-start'; choice: number; index: number; id: string; name: string; signature?: string }
  | { type: 'tool-call-delta'; choice: number; index: number; argumentsDelta: string }
  | { type: 'finish'; choice: number; reason: FinishReason; rawReason: string | null }
  | { type: 'usage'; usage: Usage; serviceTier: string | null };

/** One server-sent event as it stood on the wire: `event:` name if any, `data:` text with its lines joined by \n. */
export interface SseEvent {
  event?: string;
  id?: string;
  data: string;
}
