/** Resolves at the next SIGINT or SIGTERM, with its name. */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const listener = (signal: NodeJS.Signals) => {
      process.removeListener('SIGINT', listener);
      process.removeListener('SIGTERM', listener);
      resolve(signal);
    };
    process.on('SIGINT', listener);
    process.on('SIGTERM', listener);
  });
}
