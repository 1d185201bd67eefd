/** `executeProvider`: one order to a provider, with heartbeats, as a regular activity. */
import { Context } from '@temporalio/activity';
import type { AttemptRunner } from '../attempts/run-attempt.ts';
import type { StreamBus } from '../core/ports/stream-bus.ts';
import { typedFailures } from './typed-failures.ts';
import type { ProviderActivities } from './types.ts';

/** Half of what the engine waits for, with room for a late timer. Faster beats would load the server for nothing. */
const HEARTBEAT_EVERY_MS = 4_000;

export interface ExecuteProviderDeps {
  attempts: AttemptRunner;
  bus: StreamBus;
  onDefect(error: unknown): void;
}

export function createProviderActivities({ attempts, bus, onDefect }: ExecuteProviderDeps): ProviderActivities {
  return typedFailures<ProviderActivities>(
    {
      async executeProvider(order) {
        const context = Context.current();
        const controller = new AbortController();
        const heartbeat = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
        // The engine also "cancels" an activity that it lost contact with. Only a caller's wish stops the provider:
        // otherwise the retried activity joins this attempt instead of paying for another.
        const onEngineCancel = () => {
          if (context.cancellationDetails?.cancelRequested) controller.abort();
        };
        context.cancellationSignal.addEventListener('abort', onEngineCancel, { once: true });
        const stopListening = bus.onCancel(order.callId, () => controller.abort());
        try {
          return await attempts.run(order, controller.signal);
        } finally {
          clearInterval(heartbeat);
          context.cancellationSignal.removeEventListener('abort', onEngineCancel);
          stopListening();
        }
      },
    },
    onDefect,
  );
}
