/** A server-sent event as text, ready for the socket. */
import type { SseEvent } from '../../core/chat.ts';

const LINE_BREAK = /\r\n|\r|\n/;
const LINE_BREAKS = /[\r\n]+/g;

/** @example formatSse({ event: 'ping', data: '{}' }) // 'event: ping\ndata: {}\n\n' */
export function formatSse(event: SseEvent): string {
  let head = '';
  if (event.event !== undefined) head = `event: ${oneLine(event.event)}\n`;
  if (event.id !== undefined) head += `id: ${oneLine(event.id)}\n`;
  if (!event.data.includes('\n') && !event.data.includes('\r')) return `${head}data: ${event.data}\n\n`;
  const lines = event.data.split(LINE_BREAK).map((line) => `data: ${line}\n`);
  return `${head}${lines.join('')}\n`;
}

/** A line break inside a name or an id would let its text forge fields. */
function oneLine(value: string): string {
  return value.replace(LINE_BREAKS, ' ');
}
