/**
 * The ledger's schema as an ordered list. A released entry is never edited; a change is a new entry at the end. Text is
 * compared by its bytes (collation "C"), as SQLite does: pages and indexes do not depend on the database's language.
 */
export const migrations: readonly string[] = [
  `
  create table calls (
    id text collate "C" primary key,
    tenant text collate "C" not null,
    key_name text,
    key_models text,
    kind text not null,
    model text not null,
    state text not null,
    outcome text,
    created_at bigint not null,
    ended_at bigint,
    cost_nano_usd bigint not null,
    pricing text not null,
    error text,
    tags text,
    request_ref text collate "C",
    answer_ref text collate "C",
    admission text
  );
  create index calls_by_time on calls (created_at, id);
  create index calls_by_tenant on calls (tenant, created_at, id);
  create index calls_open on calls (created_at, id) where state <> 'ended';
  create index calls_open_request on calls (request_ref) where state <> 'ended';
  create index calls_by_end on calls (ended_at) where state = 'ended';

  create table attempts (
    call_id text collate "C" not null references calls (id) on delete cascade,
    n integer not null,
    order_no integer not null,
    epoch integer not null,
    owner text,
    state text not null,
    provider text not null,
    model text not null,
    credential text,
    worst_case_nano_usd bigint,
    started_at bigint not null,
    first_token_at bigint,
    ended_at bigint,
    response_id text,
    answered_model text,
    answer_ref text collate "C",
    error_code text,
    failure text,
    unknown_reason text,
    usage text,
    raw_usage text,
    cost_nano_usd bigint,
    computed_nano_usd bigint,
    pricing text not null,
    catalogue text,
    service_tier text,
    primary key (call_id, n)
  );
  create index attempts_unknown on attempts (started_at) where state = 'unknown';

  create table holds (
    call_id text collate "C" not null,
    n integer not null,
    scope text collate "C" not null,
    period text collate "C" not null,
    window_start bigint not null,
    held_nano_usd bigint not null,
    spent_nano_usd bigint not null,
    primary key (call_id, n, scope, period, window_start),
    foreign key (call_id, n) references attempts (call_id, n) on delete cascade
  );

  -- Every call of a tenant updates the same few rows: room in the page lets that happen without touching the index.
  create table budget_windows (
    scope text collate "C" not null,
    period text collate "C" not null,
    window_start bigint not null,
    held_nano_usd bigint not null,
    spent_nano_usd bigint not null,
    watch text not null,
    alerted text not null,
    primary key (scope, period, window_start)
  ) with (fillfactor = 20);

  create table idempotency (
    tenant text collate "C" not null,
    idem_key text collate "C" not null,
    call_id text collate "C" not null,
    body_hash text not null,
    generation integer not null,
    expires_at bigint not null,
    primary key (tenant, idem_key)
  );
  create index idempotency_by_expiry on idempotency (expires_at);
  create index idempotency_by_call on idempotency (call_id);

  create table payloads (
    ref text collate "C" primary key,
    tenant text not null,
    sealed bytea not null,
    expires_at bigint not null
  );
  -- Sealed bytes do not compress; trying costs time.
  alter table payloads alter column sealed set storage external;
  create index payloads_by_expiry on payloads (expires_at);

  create table virtual_keys (
    name text collate "C" primary key,
    tenant text not null,
    hash text collate "C" not null unique,
    models text,
    roles text not null,
    created_at bigint not null,
    expires_at text,
    revoked_at bigint
  );

  create table audit (
    seq bigint primary key,
    at text not null,
    actor text not null,
    action text not null,
    subject text not null,
    details text not null,
    previous_hash text not null,
    hash text not null
  );

  create table outbox (
    id bigint generated always as identity primary key,
    type text not null,
    at bigint not null,
    body text not null
  );

  create table master_key (fingerprint text not null);
  `,
  `
  alter table virtual_keys add column team text;
  `,
  `
  -- One row: the Temporal cluster and namespace that run the calls of this ledger.
  create table engine (id integer primary key, name text not null);
  `,
  `
  create table data_keys (
    id text collate "C" primary key,
    purpose text not null,
    tenant text not null,
    subject text not null,
    wrapped bytea not null,
    state text not null,
    created_at bigint not null,
    ended_at bigint,
    ended_by text
  );
  create unique index data_keys_active on data_keys (purpose, tenant, subject) where state = 'active';
  create index data_keys_used_up on data_keys (id) where state <> 'active' and purpose = 'payloads';

  -- Erasures of which something is still to be cleared.
  create table erasures (
    id text primary key,
    tenant text,
    subject text,
    at bigint not null,
    up_to bigint not null
  );

  -- Sealed by keys that are made no more; no release had them.
  delete from payloads;
  alter table payloads add column key_id text;
  create index payloads_by_key on payloads (key_id);

  alter table calls add column subject text;
  alter table calls add column erased_at bigint;
  create index calls_by_subject on calls (subject, tenant) where subject is not null;
  `,
  `
  -- A request without a key is known by this hash when its SDK repeats it, for as long as its answer is owed to its client.
  alter table calls add column door text;
  alter table calls add column repeat_hash text collate "C";
  create index calls_owed on calls (repeat_hash) where repeat_hash is not null;
  `,
];
