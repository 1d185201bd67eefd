/** The ledger's schema as an ordered list. A released entry is never edited; a change is a new entry at the end. */
export const migrations: readonly string[] = [
  `
  create table calls (
    id text primary key,
    tenant text not null,
    key_name text,
    key_models text,
    kind text not null,
    model text not null,
    state text not null,
    outcome text,
    created_at integer not null,
    ended_at integer,
    cost_nano_usd integer not null,
    pricing text not null,
    error text,
    tags text,
    request_ref text,
    answer_ref text,
    admission text
  ) strict, without rowid;
  create index calls_by_time on calls (created_at, id);
  create index calls_by_tenant on calls (tenant, created_at, id);
  create index calls_open on calls (created_at, id) where state <> 'ended';
  create index calls_by_end on calls (ended_at) where state = 'ended';

  create table attempts (
    call_id text not null references calls (id) on delete cascade,
    n integer not null,
    order_no integer not null,
    epoch integer not null,
    owner text,
    state text not null,
    provider text not null,
    model text not null,
    credential text,
    worst_case_nano_usd integer,
    started_at integer not null,
    first_token_at integer,
    ended_at integer,
    response_id text,
    answered_model text,
    answer_ref text,
    error_code text,
    failure text,
    unknown_reason text,
    usage text,
    raw_usage text,
    cost_nano_usd integer,
    computed_nano_usd integer,
    pricing text not null,
    catalogue text,
    service_tier text,
    primary key (call_id, n)
  ) strict, without rowid;
  create index attempts_unknown on attempts (started_at) where state = 'unknown';

  create table holds (
    call_id text not null,
    n integer not null,
    scope text not null,
    period text not null,
    window_start integer not null,
    held_nano_usd integer not null,
    spent_nano_usd integer not null,
    primary key (call_id, n, scope, period, window_start),
    foreign key (call_id, n) references attempts (call_id, n) on delete cascade
  ) strict, without rowid;

  create table budget_windows (
    scope text not null,
    period text not null,
    window_start integer not null,
    held_nano_usd integer not null,
    spent_nano_usd integer not null,
    watch text not null,
    alerted text not null,
    primary key (scope, period, window_start)
  ) strict, without rowid;

  create table idempotency (
    tenant text not null,
    idem_key text not null,
    call_id text not null,
    body_hash text not null,
    generation integer not null,
    expires_at integer not null,
    primary key (tenant, idem_key)
  ) strict, without rowid;
  create index idempotency_by_expiry on idempotency (expires_at);

  create table payloads (
    ref text primary key,
    tenant text not null,
    sealed blob not null,
    expires_at integer not null
  ) strict;
  create index payloads_by_expiry on payloads (expires_at);

  create table virtual_keys (
    name text primary key,
    tenant text not null,
    hash text not null unique,
    models text,
    roles text not null,
    created_at integer not null,
    expires_at text,
    revoked_at integer
  ) strict;

  create table audit (
    seq integer primary key,
    at text not null,
    actor text not null,
    action text not null,
    subject text not null,
    details text not null,
    previous_hash text not null,
    hash text not null
  ) strict;

  create table outbox (
    id integer primary key autoincrement,
    type text not null,
    at integer not null,
    body text not null
  ) strict;

  create table master_key (fingerprint text not null) strict;
  `,
  `
  alter table virtual_keys add column team text;
  `,
  `
  -- One row: the Temporal cluster and namespace that run the calls of this ledger.
  create table engine (id integer primary key, name text not null) strict;
  `,
  `
  create table data_keys (
    id text primary key,
    purpose text not null,
    tenant text not null,
    subject text not null,
    wrapped blob not null,
    state text not null,
    created_at integer not null,
    ended_at integer,
    ended_by text
  ) strict;
  create unique index data_keys_active on data_keys (purpose, tenant, subject) where state = 'active';
  create index data_keys_used_up on data_keys (id) where state <> 'active' and purpose = 'payloads';

  -- Erasures of which something is still to be cleared.
  create table erasures (
    id text primary key,
    tenant text,
    subject text,
    at integer not null,
    up_to integer not null
  ) strict;

  -- Sealed by keys that are made no more; no release had them.
  delete from payloads;
  alter table payloads add column key_id text;
  create index payloads_by_key on payloads (key_id);

  alter table calls add column subject text;
  alter table calls add column erased_at integer;
  create index calls_by_subject on calls (subject, tenant) where subject is not null;
  create index idempotency_by_call on idempotency (call_id);
  `,
  `
  -- A request without a key is known by this hash when its SDK repeats it, for as long as its answer is owed to its client.
  alter table calls add column door text;
  alter table calls add column repeat_hash text;
  create index calls_owed on calls (repeat_hash) where repeat_hash is not null;
  `,
  `
  -- Whether an open call needs a payload is asked of each one that is pruned.
  create index calls_open_request on calls (request_ref) where state <> 'ended';
  `,
];
