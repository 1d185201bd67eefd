/**
 * Commands that fail where Redis was silent for too long, not where this process did not listen. The driver's own bound is a
 * timer, and timers come before sockets: after this process stood still for longer than that, it would throw away every
 * answer that had come in time, and Redis would be taken for lost.
 */
import type { Command, Redis } from 'ioredis';

/** From here on each command on this connection fails after so long without an answer. */
export function boundCommands(connection: Redis, timeoutMs: number): void {
  const send = connection.sendCommand.bind(connection);
  connection.sendCommand = (command, stream) => {
    failAfter(command, timeoutMs);
    return send(command, stream);
  };
}

function failAfter(command: Command, timeoutMs: number): void {
  const { resolve, reject } = command;
  const timer = setTimeout(() => {
    // By then what stands in the socket has been read.
    setImmediate(() => reject(new Error('Command timed out')));
  }, timeoutMs);
  // A handler at its promise would hide a failure that nobody handles.
  command.resolve = (result) => {
    clearTimeout(timer);
    resolve(result);
  };
  command.reject = (error) => {
    clearTimeout(timer);
    reject(error);
  };
}
