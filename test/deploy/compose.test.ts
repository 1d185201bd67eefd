/** What can be known of the deployment files without a container engine: they agree with each other and with this repository. */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../src/config/load.ts';
import { isLoopbackHost } from '../../src/config/private-host.ts';
import { providerAdapters } from '../../src/providers/registry.ts';
import { tunedFlags } from '../../src/temporal/server/server-flags.ts';

interface Service {
  image: string;
  build?: string;
  user?: string;
  depends_on?: Record<string, { condition: string }>;
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  healthcheck?: object;
  entrypoint?: string[];
}

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const compose = parse(read('docker-compose.yml')) as { services: Record<string, Service>; volumes: object };
const services = Object.entries(compose.services);
const dockerfile = read('Dockerfile');

describe('docker-compose.yml', () => {
  it('waits only for services that exist, for health only where there is a check', () => {
    const checked = services.filter(([, { healthcheck, build }]) => healthcheck ?? build).map(([name]) => name);
    for (const [name, { depends_on = {} }] of services) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(compose.services), name).toContain(needed);
        if (condition === 'service_healthy') expect(checked, `${name} waits for ${needed}`).toContain(needed);
      }
    }
    // The node's check is its image's.
    expect(dockerfile).toContain('\nHEALTHCHECK ');
    expect(dockerfile).toContain('/health/live');
  });

  it.each(services)('%s has an image of one version', (_name, { image }) => {
    expect(image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+[\w.-]*$/);
  });

  it.each(services)('%s is reached from this machine only', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('runs nothing as root', () => {
    for (const [name, { user, build }] of services) {
      if (build === undefined) expect(user, name).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    }
    expect(dockerfile).toMatch(/\nUSER node\n/);
    // Nothing that runs later may be root again.
    expect(dockerfile.lastIndexOf('\nUSER ')).toBeGreaterThan(dockerfile.lastIndexOf('\nRUN '));
  });

  it('takes every secret from the environment, and deploy/env.example names each', () => {
    const named = [...read('deploy/env.example').matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name);
    const used = [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+)(:[^}]*)?\}/g)];
    const fromSecrets = [...read('docker-compose.yml').matchAll(/^ +environment: ([A-Z_]+)$/gm)].map(
      ([, name]) => name,
    );
    expect(new Set([...used.map(([, name]) => name), ...fromSecrets])).toEqual(new Set(named));
    for (const [reference, , fallback] of used) expect([':?set it in .env', ':-'], reference).toContain(fallback);
    for (const [service, { environment = {} }] of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD|PWD|KEY|SECRET/.test(name)) expect(value, `${service}: ${name}`).toMatch(/^\$\{/);
      }
    }
  });

  it('mounts files that exist, and volumes that it declares', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('./')) expect(existsSync(new URL(source, ROOT)), `${name}: ${source}`).toBe(true);
        else expect(Object.keys(compose.volumes), name).toContain(source);
      }
    }
  });

  it('starts scripts that exist', () => {
    for (const [, { entrypoint, volumes = [] }] of services) {
      const [mounted = ''] = volumes.find((volume) => volume.endsWith(':/deploy:ro'))?.split(':') ?? [];
      const script = entrypoint?.at(-1)?.replace('/deploy', mounted);
      if (script !== undefined) expect(existsSync(new URL(script, ROOT)), script).toBe(true);
    }
  });

  it('has two nodes of one image, each with a home of its own, whose Temporal, ledger and Redis are those of this file', () => {
    const nodes = services.filter(([, { image }]) => image === compose.services['node']?.image);
    expect(nodes.map(([name]) => name)).toEqual(['node', 'node-2']);
    expect(nodes.filter(([, { build }]) => build !== undefined)).toHaveLength(1);
    const homes = nodes.map(([, { volumes }]) => volumes?.find((volume) => volume.startsWith('holdfast-home')));
    expect(new Set(homes).size).toBe(2);
    const [first, second] = nodes.map(([, { environment }]) => environment);
    expect(second).toEqual(first);
    expect(new URL(first?.['DATABASE_URL']?.replace(/\$\{[^}]*\}/, 'p') ?? '').host).toBe('postgres:5432');
    expect(new URL(first?.['REDIS_URL']?.replace(/\$\{[^}]*\}/, 'p') ?? '').host).toBe('redis:6379');
    const addresses = services.flatMap(([, { environment }]) => environment?.['TEMPORAL_ADDRESS'] ?? []);
    expect(new Set(addresses)).toEqual(new Set(['temporal:7233']));
    expect(compose.services).toHaveProperty('temporal');
  });
});

describe('the node of the image', () => {
  const settings = parseSettings(read('deploy/holdfast.yaml'), 'deploy/holdfast.yaml', {
    env: { DATABASE_URL: 'set by the compose file', REDIS_URL: 'set by the compose file' },
    adapters: providerAdapters,
  });

  it('starts with the configuration as it is, and asks every caller for a key', () => {
    expect(isLoopbackHost(settings.gateway.host)).toBe(false);
    expect(settings.gateway.authRequired).toBe(true);
  });

  it('listens where the compose file, its health check and Prometheus look for it', () => {
    const port = settings.gateway.port;
    expect(compose.services['node']?.ports).toEqual([`127.0.0.1:${port}:${port}`]);
    expect(dockerfile).toContain(`http://127.0.0.1:${port}/health/live`);
    expect(dockerfile).toContain(`\nEXPOSE ${port}\n`);
  });

  it('opens sealed histories for the Temporal UI: the UI knows where, and the gateway knows the UI', () => {
    const { environment, ports } = compose.services['temporal-ui'] ?? {};
    expect(settings.security.encryptHistories).toBe(true);
    expect(environment?.['TEMPORAL_CODEC_ENDPOINT']).toBe(`http://127.0.0.1:${settings.gateway.port}/codec`);
    const [, port] = ports?.[0]?.split(':') ?? [];
    expect(settings.security.uiOrigins).toEqual([`http://127.0.0.1:${port}`, `http://localhost:${port}`]);
  });

  it('keeps its home on a volume', () => {
    const home = /HOLDFAST_HOME=(\S+)/.exec(dockerfile)?.[1];
    expect(compose.services['node']?.volumes).toContain(`holdfast-home:${home}`);
  });
});

describe('the Dockerfile', () => {
  it('copies what exists and what the builder is given', () => {
    const given = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, list = '']) => list.split(' '));
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) {
      const path = source.replace('./', '');
      expect(existsSync(new URL(path, ROOT)), path).toBe(true);
      expect(given).toContain(path);
    }
  });

  it('has Node of the major version that package.json asks for, on glibc', () => {
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    const major = /\d+/.exec(engines.node)?.[0];
    expect(dockerfile).toMatch(new RegExp(`NODE_IMAGE=node:${major}\\.\\d+\\.\\d+-bookworm-slim`));
  });

  it('keeps a folder of the core that the SDK has', () => {
    const releases = new URL('node_modules/@temporalio/core-bridge/releases/', ROOT);
    for (const machine of ['x86_64', 'aarch64']) {
      expect(existsSync(new URL(`${machine}-unknown-linux-gnu`, releases)), machine).toBe(true);
    }
  });

  it('starts the command that package.json names', () => {
    const { bin } = JSON.parse(read('package.json')) as { bin: { holdfast: string } };
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "${bin.holdfast}"]`);
  });
});

it('Prometheus scrapes services of the compose file', () => {
  const { scrape_configs } = parse(read('deploy/prometheus.yml')) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = scrape_configs.flatMap((job) => job.static_configs.flatMap((config) => config.targets));
  expect(targets).toEqual(['node:4000', 'node-2:4000']);
  for (const target of targets) expect(Object.keys(compose.services)).toContain(target.split(':')[0]);
});

it('the cluster gets the same tuning as the embedded server', () => {
  const dynamic = parse(read('deploy/temporal/dynamic-config.yaml')) as Record<string, { value: unknown }[]>;
  const given = Object.entries(dynamic).map(([name, [first]]) => `${name}=${String(first?.value)}`);
  // The hosts of a cluster have clocks of their own: there the wait for them is not to be shortened.
  const tuned = tunedFlags.filter((flag) =>
    /^(history|system|matching|frontend)\.(?!timerProcessorMaxTimeShift)/.test(flag),
  );
  expect(given.toSorted()).toEqual(tuned.toSorted());
});
