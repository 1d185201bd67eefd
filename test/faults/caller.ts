/** The callers of the scenarios: all ask the same question, so that the answer and its price are known. */
import { expect } from 'vitest';
import type { CallView } from '../../src/core/ports/ledger/views.ts';
import type { Scenario } from './scenarios.ts';

const PROMPT = 'What is promised at this boundary?';

export interface Reply {
  status: number | 'lost';
  /** Of the answer: the same whether it came in one piece or as a stream. */
  text: string;
  callId: string;
}

export function questionTo(model: string) {
  return { model, max_tokens: 100, messages: [{ role: 'user' as const, content: PROMPT }] };
}

const STREAMED: ReadonlySet<Scenario['model']> = new Set(['stream', 'live-job']);

export async function ask(url: string, model: Scenario['model'], key: string | null): Promise<Reply> {
  const stream = STREAMED.has(model);
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { 'idempotency-key': key }) },
      body: JSON.stringify({ ...questionTo(model), stream }),
    });
    const text = await response.text();
    const callId = response.headers.get('x-holdfast-call-id') ?? '';
    return { status: response.status, text: response.ok ? contentOf(text, stream) : text, callId };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { status: 'lost', text: '', callId: '' };
  }
}

interface Piece {
  choices: { message?: { content: string }; delta?: { content?: string } }[];
}

function contentOf(text: string, isStream: boolean): string {
  if (!isStream) return (JSON.parse(text) as Piece).choices[0]?.message?.content ?? '';
  expect(text.trimEnd().endsWith('data: [DONE]'), text.slice(-300)).toBe(true);
  return [...text.matchAll(/^data: (\{.*\})$/gm)]
    .map(([, json = '']) => (JSON.parse(json) as Piece).choices[0]?.delta?.content ?? '')
    .join('');
}

export async function callOf(url: string, callId: string): Promise<CallView> {
  return (await (await fetch(`${url}/api/v1/calls/${callId}`)).json()) as CallView;
}

/** The newest first. */
export async function listCalls(url: string, limit: number): Promise<CallView[]> {
  const { calls } = (await (await fetch(`${url}/api/v1/calls?limit=${String(limit)}`)).json()) as { calls: CallView[] };
  return calls;
}
