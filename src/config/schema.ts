/** The shape of `holdfast.yaml`. Strict: an unknown key is an error, so that a typing mistake never goes unnoticed. */
import { z } from 'zod';
import { ON_DISCONNECT } from '../core/settings.ts';
import { isTimeZone } from '../core/time-zone.ts';
import { USER_ID } from '../core/user-id.ts';

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'use letters, digits, dot, dash, underscore; at most 64');
const positive = z.int().positive();
const durationMs = z.int().positive().max(86_400_000);
/** An amount of USD as a decimal; read through its text, so that no float arithmetic touches it. */
const usd = z.union([z.number().nonnegative(), z.string().regex(/^\d{1,12}(\.\d{1,9})?$/, 'write a decimal amount')]);

const timeZone = z
  .string()
  .refine(isTimeZone, { error: 'it is no time zone; write an IANA name such as Europe/Berlin' })
  .describe('IANA name; windows begin by its clock');

const budget = z.strictObject({
  limitUsd: usd,
  period: z.enum(['hour', 'day', 'week', 'month', 'total']),
  timeZone: timeZone.optional(),
  hard: z.boolean().default(true),
  alertAt: z.array(z.number().positive().max(1)).max(10).default([]),
  allowUnbounded: z
    .boolean()
    .default(false)
    .describe('let calls without a price or an output bound pass a hard budget'),
});

const limits = z.strictObject({
  requestsPerMinute: positive.optional(),
  tokensPerMinute: positive.optional(),
  concurrency: positive.optional(),
});

/** These carry credentials, which have a place of their own: `apiKey`. */
const SECRET_HEADER = /^(?:proxy-)?authorization$|api-?key/i;

const headers = z
  .record(z.string().regex(/^[A-Za-z0-9-]{1,64}$/), z.string().regex(/^[\x20-\x7e]*$/))
  .superRefine((record, context) => {
    for (const header of Object.keys(record)) {
      if (!SECRET_HEADER.test(header)) continue;
      const message = 'this header holds a secret; remove it and write apiKey: env:NAME or secret:NAME';
      context.addIssue({ code: 'custom', path: [header], message });
    }
  });

const baseUrl = z.url({ protocol: /^https?$/ }).refine(
  (text) => {
    const url = URL.parse(text);
    return url === null || (url.username === '' && url.password === '');
  },
  { error: 'it holds a user name or a password; remove them and write apiKey: env:NAME or secret:NAME' },
);

/** As `parseCredentialReference` reads it. */
const REFERENCE = /^(env|secret):[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

const provider = z.strictObject({
  kind: z.string(),
  apiKey: z.string().regex(REFERENCE, 'write env:NAME or secret:NAME; never the key itself').optional(),
  baseUrl: baseUrl.optional(),
  allowPrivateAddress: z.boolean().default(false).describe('allow http and addresses of private networks'),
  headers: headers.default({}),
});

const route = z.strictObject({
  strategy: z.literal('failover').default('failover'),
  targets: z
    .array(z.strictObject({ provider: z.string(), model: z.string().min(1).max(256) }))
    .min(1)
    .max(16),
  retries: z
    .strictObject({
      maxAttempts: z.int().min(1).max(20).optional().describe('tries on one target before the next'),
      initialBackoffMs: durationMs.optional(),
      maxBackoffMs: durationMs.optional(),
      maxRetryAfterMs: durationMs.optional().describe('a longer Retry-After fails over instead of waiting'),
    })
    .default({}),
  timeouts: z
    .strictObject({
      connectMs: durationMs.optional(),
      firstTokenMs: durationMs.optional(),
      idleMs: durationMs.optional(),
      totalMs: durationMs.optional(),
    })
    .default({}),
  onUnknown: z.enum(['recover', 'retry', 'fail']).default('recover'),
  background: z
    .strictObject({
      fromOutputTokens: positive.optional().describe('calls that may give so many tokens run in the background'),
      totalMs: durationMs.optional().describe('the total time of a call in the background'),
    })
    .default({}),
  onDisconnect: z.enum(ON_DISCONNECT).default('auto').describe('what becomes of a call whose client leaves'),
  maxOutputTokens: positive.optional(),
});

const scope = z.strictObject({ budgets: z.array(budget).max(16).default([]), limits: limits.default({}) });

const tenant = z.strictObject({
  ...scope.shape,
  timeZone: timeZone.default('UTC'),
  teams: z.record(name, scope).default({}),
  users: z
    .record(z.string().regex(USER_ID, 'write the id as calls send it'), scope)
    .optional()
    .describe('by user id; default is for each user that is not named'),
});

const key = z.strictObject({
  name,
  tenant: z.string().default('default'),
  team: z.string().optional().describe("one of the tenant's teams"),
  hash: z.string().regex(/^hk1:[0-9a-f]{64}$/, 'use the hash that `holdfast keys create` prints'),
  models: z.array(z.string()).optional(),
  roles: z.array(z.enum(['caller', 'admin'])).default(['caller']),
  expiresAt: z.iso.datetime().optional(),
  budgets: z.array(budget).max(16).default([]),
  limits: limits.default({}),
});

const origin = z
  .string()
  .refine((text) => URL.parse(text)?.origin === text, 'write scheme, host and port only: https://temporal.example.com');

export const REDACTORS = ['email', 'phone', 'card', 'ssn', 'iban'] as const;

export const storesSchema = z.strictObject({
  ledger: z.enum(['sqlite', 'postgres']).default('sqlite'),
  postgresUrl: z
    .string()
    .regex(REFERENCE, 'write env:NAME or secret:NAME; never the URL itself, it holds a password')
    .optional(),
  hot: z.enum(['memory', 'redis']).default('memory'),
  redisUrl: z
    .string()
    .regex(REFERENCE, 'write env:NAME or secret:NAME; never the URL itself, it may hold a password')
    .optional(),
});

export const configSchema = z.strictObject({
  gateway: z
    .strictObject({
      host: z.string().default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(4000),
      auth: z.strictObject({ required: z.boolean() }).optional(),
      maxBodyBytes: z
        .int()
        .min(1024)
        .max(512 * 1024 * 1024)
        .default(20 * 1024 * 1024),
    })
    .prefault({}),
  providers: z.record(name, provider),
  models: z.record(name, route).default({}),
  tenants: z.record(name, tenant).default({}),
  keys: z.array(key).max(10_000).default([]),
  stores: storesSchema.prefault({}),
  prices: z.strictObject({ overrides: z.string().optional() }).default({}),
  security: z
    .strictObject({
      redact: z.array(z.enum(REDACTORS)).default([]),
      blockSecrets: z.boolean().default(true),
      encryptHistories: z.boolean().optional(),
      uiOrigins: z.array(origin).max(16).default([]),
    })
    .prefault({}),
  retention: z
    .strictObject({
      idempotencyHours: z.int().min(1).max(168).default(24),
      payloadHours: z.int().min(1).max(8760).default(168),
      callDays: z.int().min(1).max(3650).default(90),
    })
    .prefault({}),
});

export type ConfigFile = z.output<typeof configSchema>;
export type StoresFile = z.output<typeof storesSchema>;
export type TenantFile = z.output<typeof tenant>;
export type ScopeFile = z.output<typeof scope>;
export type BudgetFile = z.output<typeof budget>;
export type LimitsFile = z.output<typeof limits>;
export type RouteFile = z.output<typeof route>;
