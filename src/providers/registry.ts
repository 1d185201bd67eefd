/** The providers and the doors' wires that exist. Adding a provider is one folder and one row here. */
import type { Wire } from '../core/chat.ts';
import type { DoorWire, ProviderAdapter } from '../core/ports/provider.ts';
import { anthropicAdapter } from './anthropic/adapter.ts';
import { anthropicMessagesDoor } from './anthropic/door.ts';
import { geminiAdapter } from './gemini/adapter.ts';
import { openai, openaiCompatible, simulated } from './openai/adapter.ts';
import { openaiChatDoor, openaiEmbeddingsDoor } from './openai/door.ts';

export const providerAdapters: ReadonlyMap<string, ProviderAdapter> = new Map(
  [openai, openaiCompatible, simulated, anthropicAdapter(), geminiAdapter()].map((adapter) => [adapter.kind, adapter]),
);

/** Wires that a caller can speak; Gemini's and OpenAI's Responses have no door. */
export type DoorWireName = Exclude<Wire, 'gemini-generate' | 'openai-responses'>;

export const doorWires: Readonly<Record<DoorWireName, DoorWire>> = {
  'openai-chat': openaiChatDoor,
  'openai-embeddings': openaiEmbeddingsDoor,
  'anthropic-messages': anthropicMessagesDoor,
};
