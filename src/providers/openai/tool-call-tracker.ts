/**
 * The tool calls of one streamed choice. Servers differ: some leave out `index` or `id`, some give every call index 0,
 * some repeat the name. Out comes one stable index a call, started once.
 */
import type { ChatEvent } from '../../core/chat.ts';
import type { JsonObject } from '../../core/json.ts';
import { numberAt, objectAt, stringAt } from '../read-json.ts';
import { mergeDelta } from './merge-delta.ts';
import { readCallSignature, substituteCallId } from './read-message.ts';

interface OpenCall {
  index: number;
  wireIndex: number | undefined;
  id: string;
  name: string;
  arguments: string;
  isStarted: boolean;
  /** `custom` calls carry `input` where functions carry `arguments`. */
  isCustom: boolean;
  signature: string | undefined;
  /** What else stood on the wire with this call. */
  extra: JsonObject;
}

export interface ToolCallTracker {
  push(delta: JsonObject): ChatEvent[];
  /** Starts what never got a name: the answer ends here. */
  flush(): ChatEvent[];
  /** The calls as a whole message holds them. */
  calls(): JsonObject[];
}

export function createToolCallTracker(choice: number, answerId: () => string): ToolCallTracker {
  const open: OpenCall[] = [];

  function find(delta: JsonObject): OpenCall {
    const id = stringAt(delta, 'id') ?? '';
    const wireIndex = numberAt(delta, 'index');
    const byId = id === '' ? undefined : open.find((call) => call.id === id);
    if (byId !== undefined) return byId;
    const last = wireIndex === undefined ? open.at(-1) : open.findLast((call) => call.wireIndex === wireIndex);
    // Another id under a known index is another call: such a server numbers every call 0.
    if (last !== undefined && (id === '' || last.id === '')) return last;
    const call: OpenCall = {
      index: open.length,
      wireIndex,
      id: '',
      name: '',
      arguments: '',
      isStarted: false,
      isCustom: false,
      signature: undefined,
      extra: {},
    };
    open.push(call);
    return call;
  }

  function start(call: OpenCall, events: ChatEvent[]): void {
    call.isStarted = true;
    if (call.id === '') call.id = substituteCallId(answerId(), call.index);
    const { index, id, name, signature } = call;
    events.push({ type: 'tool-call-start', choice, index, id, name, ...(signature !== undefined && { signature }) });
    if (call.arguments !== '') {
      events.push({ type: 'tool-call-delta', choice, index, argumentsDelta: call.arguments });
    }
  }

  return {
    push(delta) {
      const events: ChatEvent[] = [];
      const call = find(delta);
      const custom = objectAt(delta, 'custom');
      const callee = custom ?? objectAt(delta, 'function');
      if (custom !== undefined) call.isCustom = true;
      if (call.id === '') call.id = stringAt(delta, 'id') ?? '';
      if (call.name === '') call.name = stringAt(callee, 'name') ?? '';
      call.signature ??= readCallSignature(delta);
      const more = stringAt(callee, custom === undefined ? 'arguments' : 'input') ?? '';
      call.arguments += more;
      for (const key in delta) if (!KNOWN_FIELDS.has(key)) mergeDelta(call.extra, key, delta[key]);

      if (!call.isStarted) {
        if (call.name !== '') start(call, events);
      } else if (more !== '') {
        events.push({ type: 'tool-call-delta', choice, index: call.index, argumentsDelta: more });
      }
      return events;
    },
    flush() {
      const events: ChatEvent[] = [];
      for (const call of open) if (!call.isStarted) start(call, events);
      return events;
    },
    calls() {
      return open.map(({ id, index, name, arguments: text, isCustom, extra }) => ({
        id: id === '' ? substituteCallId(answerId(), index) : id,
        ...(isCustom
          ? { type: 'custom', custom: { name, input: text } }
          : { type: 'function', function: { name, arguments: text } }),
        ...extra,
      }));
    },
  };
}

const KNOWN_FIELDS: ReadonlySet<string> = new Set(['index', 'id', 'type', 'function', 'custom']);
