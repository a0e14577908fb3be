"""The tables of the record, and how an older record is brought up to date."""

import sqlite3
from typing import Final

from job_engine.job.errors import JobEngineError

VERSION: Final = 3
"""Kept in SQLite's user_version; `MIGRATIONS` leads from each version to the next."""

AFTER: Final = """
-- Which waiting jobs need which others to end; a row goes when its job need not wait for that one any more.
create table after (needs integer not null, job integer not null, primary key (needs, job)) without rowid;
create index after_job on after (job);

-- Jobs that have ended and of whose rows in `after` some are left, because they are too many for one transaction.
create table settling (
    needs integer primary key,
    failure text                          -- what those that wait for it say when they fail; null: it is SUCCESS
) without rowid;
"""

IDENTITY: Final = "insert into setting (name, value) values ('record', lower(hex(randomblob(8))));"

SCHEMA: Final = (
    """
-- Jobs. What changes or is queried has a column; `document` is JSON text with the rest and is written once, but for
-- edits of rare attributes. `seq` never comes back after a delete, because with the claim it names a hold.
create table job (
    seq integer primary key autoincrement,
    id text not null unique,
    state text not null,
    waits integer not null default 0,     -- why a QUEUED job is not ready; see `job_engine.store.waits`
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
    entry text,                           -- in a cluster: under which name it is in the locking queue
    holder text,                          -- who holds it while it is RUNNING, or finished it; in a cluster a member
    claimed text,                         -- when the last attempt began to be held
    attempt integer not null default 0,   -- counts claims
    claim integer not null default 0,     -- the fencing token: a secret number of the attempt
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
"""
    + AFTER
    + IDENTITY
)

CLAIM: Final = (
    "alter table job add column claim integer not null default 0;"
    " update job set claim = attempt where state = 'RUNNING';"
)

MIGRATIONS: Final[dict[int, str]] = {1: "alter table job add column entry text;" + AFTER + IDENTITY, 2: CLAIM}
"""From version N: the statements that lead to N + 1."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new record, or bring those of an older one up to date.

    Raises:
        JobEngineError: the record was written by a newer job-engine.
    """
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > VERSION:
        raise JobEngineError(f"the record has version {version}, this job-engine knows {VERSION}: upgrade it")
    if version == VERSION:
        return
    script = SCHEMA if version == 0 else "".join(MIGRATIONS[step] for step in range(version, VERSION))
    connection.executescript(f"begin immediate; {script} pragma user_version = {VERSION}; commit;")
