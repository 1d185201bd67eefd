import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { sleepThirtyDays } from '../../test/support/temporal/sleep-workflow.ts';
import {
  createTimeSkippingEnvironment,
  timeSkippingUnavailableReason,
} from '../../test/support/temporal/test-server.ts';
import { installRuntime } from './runtime.ts';

const unavailable = timeSkippingUnavailableReason();

describe('the time-skipping server', { timeout: 60_000 }, () => {
  beforeAll(() => {
    installRuntime(() => undefined);
  });

  it.skipIf(unavailable !== undefined)(
    `sleeps 30 days in less than 20 s${unavailable ? ` (${unavailable})` : ''}`,
    async () => {
      const environment = await createTimeSkippingEnvironment();
      try {
        const worker = await Worker.create({
          connection: environment.nativeConnection,
          taskQueue: 'sleepers',
          workflowsPath: fileURLToPath(new URL('../../test/support/temporal/sleep-workflow.ts', import.meta.url)),
        });
        const startedAt = performance.now();
        const answer = await worker.runUntil(
          environment.client.workflow.execute(sleepThirtyDays, { taskQueue: 'sleepers', workflowId: 'sleeper' }),
        );
        expect(answer).toBe('awake');
        expect(performance.now() - startedAt).toBeLessThan(20_000);
      } finally {
        await environment.teardown();
      }
    },
  );

  it('throws instead of skipping when everything is required', () => {
    expect(() => timeSkippingUnavailableReason({ PATH: '', HOLDFAST_TEST_REQUIRE: 'all' })).toThrow(/Java/);
    expect(timeSkippingUnavailableReason({ PATH: '' })).toMatch(/Java/);
  });
});
