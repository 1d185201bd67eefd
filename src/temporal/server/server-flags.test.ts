import { describe, expect, it } from 'vitest';
import { defaultFlags, serverArguments, tunedFlags } from './server-flags.ts';

const place = { port: 7233, uiPort: 8233, dbFilename: 'temporal.db' };

describe('the command line of the server', () => {
  it('raises the two poll limits, allows eager activities and keeps SQLite in WAL', () => {
    const line = serverArguments(place, tunedFlags).join(' ');
    expect(line).toContain('--dynamic-config-value history.transferProcessorMaxPollRPS=5000');
    expect(line).toContain('--dynamic-config-value history.timerProcessorMaxPollRPS=500');
    expect(line).toContain('--dynamic-config-value system.enableActivityEagerExecution=true');
    expect(line).toContain('--sqlite-pragma journal_mode=WAL --sqlite-pragma synchronous=NORMAL');
  });

  it('tells the UI where sealed payloads are opened, when there is such a place', () => {
    const codecEndpoint = 'http://127.0.0.1:4000/codec';
    expect(serverArguments({ ...place, codecEndpoint }, [])).toContain('--ui-codec-endpoint');
    expect(serverArguments({ ...place, codecEndpoint }, []).at(-1)).toBe(codecEndpoint);
    expect(serverArguments(place, [])).not.toContain('--ui-codec-endpoint');
  });

  it('listens on loopback only and registers every search attribute with its type', () => {
    expect(serverArguments(place, defaultFlags).join(' ')).toBe(
      'server start-dev --ip 127.0.0.1 --port 7233 --ui-port 8233 --db-filename temporal.db --log-level warn ' +
        '--search-attribute HoldfastTenant=Keyword --search-attribute HoldfastModel=Keyword ' +
        '--search-attribute HoldfastProvider=Keyword --search-attribute HoldfastKind=Keyword ' +
        '--search-attribute HoldfastOutcome=Keyword --search-attribute HoldfastCostNanoUsd=Int ' +
        '--search-attribute HoldfastAttempts=Int',
    );
  });
});
