-- The tables as version 1 of the record had them; never to be changed.
-- Jobs. What changes or is queried has a column; `document` is JSON text with the rest and is written once, but for
-- edits of rare attributes. `seq` never comes back after a delete, because (seq, attempt) names a hold.
create table job (
    seq integer primary key autoincrement,
    id text not null unique,
    state text not null,
    waits integer not null default 0,     -- why a QUEUED job is not ready: 0 it is, 1 not-before, 2 it is to be pulled
    action text not null,
    mode text not null,
    priority integer not null,
    target text,
    parent text,
    acl integer not null references acl (id),
    created text not null,
    updated text not null,
    started text,
    ended text,
    duration integer,
    not_before text,
    progress integer not null default 0,
    return_code integer,
    message text,
    status_changed text,
    tags text,                            -- JSON
    affected text,                        -- JSON
    nested text,                          -- JSON
    holder text,                          -- who holds it while it is RUNNING; or who finished it
    claimed text,                         -- when the last attempt began to be held
    attempt integer not null default 0,   -- counts claims; the fencing token
    begun integer not null default 0,     -- the last attempt that is known to have started
    failures integer not null default 0,  -- attempts that raised
    deaths integer not null default 0,    -- attempts in a row that died without progress
    document text not null,
    result text,                          -- JSON
    output text
);
create index job_queued on job (waits, action, priority, seq) where state = 'QUEUED';
create index job_waiting on job (not_before) where state = 'QUEUED' and waits = 1;
create index job_running on job (holder) where state = 'RUNNING';
create index job_failed on job (seq) where state = 'FAILED';
create index job_canceled on job (seq) where state = 'CANCELED';
create index job_parent on job (parent) where parent is not null;

-- One row an add that carried a key: the answer to its repetition. `id` rises with time, so the oldest go first.
create table added (
    id integer primary key autoincrement,
    key text not null unique,
    first integer not null,
    last integer not null,
    at real not null
);

-- History, append-only: what ended an attempt but a finish by its holder, with its claim, and what happened between
-- attempts. The add, the running attempt and the one that finished are the job's own row: its busiest life writes no
-- event. `at` is microseconds since the epoch and rises with every event of the writer.
create table event (
    job integer not null,
    at integer not null,
    kind text not null,
    attempt integer,
    holder text,
    claimed text,
    detail text,
    primary key (job, at)
) without rowid;

create table log (
    job integer not null,
    attempt integer not null,
    n integer not null,
    at real not null,
    level text not null,
    text text not null,
    primary key (job, attempt, n)
) without rowid;

create table checkpoint (job integer primary key, value text not null) without rowid;

-- Most documents share a handful of ACLs, so each distinct one is kept once; `access` is who sees how much of a
-- document with it: 1 what view-meta shows, 2 all but the ACL, 3 all.
create table acl (id integer primary key, document text not null unique);
create table access (
    acl integer not null,
    principal text not null,
    level integer not null,
    primary key (acl, principal)
) without rowid;
create index access_principal on access (principal, level, acl);

-- The other CIMI resources.
create table resource (
    id text primary key,
    type text not null,
    acl integer not null references acl (id),
    document text not null
) without rowid;
create index resource_type on resource (type, id);

create table setting (name text primary key, value text not null) without rowid;
pragma user_version = 1;
