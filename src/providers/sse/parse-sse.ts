/**
 * Server-sent events out of bytes, by the rules of the WHATWG HTML standard, with two deviations: an event that the end
 * of the body cut off before its blank line is still given (servers forget the last newline, and a cut JSON text fails
 * where it is parsed), and an event may not grow beyond a bound.
 */
import type { SseEvent } from '../../core/chat.ts';
import { brokenAnswer } from '../broken-answer.ts';

/** In UTF-16 code units. Large enough for an inline image in one event. */
const DEFAULT_MAX_EVENT_LENGTH = 16 * 1024 * 1024;

export interface SseParser {
  /** The events that this chunk completed. @throws ProviderFailureError when an event exceeds the bound. */
  push(chunk: Uint8Array): SseEvent[];
  /** Call once after the last chunk: gives the last event if its blank line was missing. */
  end(): SseEvent[];
}

export interface SseParserOptions {
  /** Longest event, in UTF-16 code units. Default 16 Mi. */
  maxEventLength?: number;
}

/**
 * @example
 * const parser = createSseParser();
 * for await (const chunk of body) for (const event of parser.push(chunk)) handle(event);
 * for (const event of parser.end()) handle(event);
 */
export function createSseParser(options: SseParserOptions = {}): SseParser {
  const maxEventLength = options.maxEventLength ?? DEFAULT_MAX_EVENT_LENGTH;
  const decoder = new TextDecoder();
  let unfinishedLine = '';
  let endedWithCr = false;
  let data: string | undefined;
  let name: string | undefined;
  let id: string | undefined;
  let eventLength = 0;

  function checkLength(more: number): void {
    if (eventLength + more > maxEventLength) {
      throw brokenAnswer(`The stream holds an event longer than ${String(maxEventLength)} characters.`);
    }
  }

  function readLine(line: string): void {
    checkLength(line.length);
    const colon = line.indexOf(':');
    if (colon === 0) return;
    eventLength += line.length;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (field === 'event') name = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
  }

  function takeEvent(events: SseEvent[]): void {
    if (data !== undefined) {
      const event: SseEvent = { data };
      if (name !== undefined && name !== '') event.event = name;
      if (id !== undefined) event.id = id;
      events.push(event);
    }
    data = name = id = undefined;
    eventLength = 0;
  }

  function readText(raw: string, events: SseEvent[]): void {
    if (raw === '') return;
    let text = raw;
    if (endedWithCr && text.charCodeAt(0) === 10) text = text.slice(1);
    endedWithCr = raw.charCodeAt(raw.length - 1) === 13;
    if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');

    let from = 0;
    for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
      const line = unfinishedLine + text.slice(from, to);
      unfinishedLine = '';
      if (line === '') takeEvent(events);
      else readLine(line);
      from = to + 1;
    }
    // Appending without searching keeps a long line in many small chunks linear: the string stays a rope until its end.
    if (from < text.length) unfinishedLine += text.slice(from);
    checkLength(unfinishedLine.length);
  }

  return {
    push(chunk) {
      const events: SseEvent[] = [];
      readText(decoder.decode(chunk, { stream: true }), events);
      return events;
    },
    end() {
      const events: SseEvent[] = [];
      readText(decoder.decode(), events);
      if (unfinishedLine !== '') readLine(unfinishedLine);
      unfinishedLine = '';
      takeEvent(events);
      return events;
    },
  };
}
