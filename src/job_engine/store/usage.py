"""How much of the record somebody uses, for quotas.

The indexes are made when they are first needed: each costs every add some microseconds, which a record without quotas
need not pay. The bytes of jobs are counted as they change, because summing up a week of jobs would stop the writer.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from job_engine.store.transaction import Transaction

_BYTES: Final = "length(cast(document as blob))"
_BY: Final = "json_extract(document, '$.\"created-by\"')"
_JOBS: Final = f"create index if not exists job_made_by on job ({_BY}) where state = 'QUEUED'"
_COUNTED: Final = (
    "create table if not exists job_bytes"
    " (maker text primary key, since integer not null, bytes integer not null) without rowid"
)
"""Bytes of the jobs of each maker, from the job with the number ``since`` on."""
_SIZE: Final = " + ".join(
    f"coalesce(length(cast({column} as blob)), 0)" for column in ("document", "tags", "affected", "nested")
)
"""Bytes of a job that its maker chooses. What executors add to the last three makes the count a little low."""
_DOCUMENTS: Final = f"create index if not exists resource_made_by on resource ({_BY}, {_BYTES})"


def queued(tx: Transaction, maker: str, limit: int) -> int:
    """How many jobs whose ``created-by`` is ``maker`` are QUEUED; they are counted up to ``limit``."""
    tx.execute(_JOBS)
    row = tx.execute(
        f"select count(*) from (select 1 from job indexed by job_made_by where state = 'QUEUED' and {_BY} = ? limit ?)",
        (maker, limit),
    ).fetchone()
    return int(row[0])


def documents(tx: Transaction, maker: str) -> int:
    """Bytes of JSON in the documents other than jobs whose ``created-by`` is ``maker``."""
    tx.execute(_DOCUMENTS)
    row = tx.execute(
        f"select coalesce(sum({_BYTES}), 0) from resource indexed by resource_made_by where {_BY} = ?",
        (maker,),
    ).fetchone()
    return int(row[0])


def size(tx: Transaction, ids: Sequence[str]) -> int:
    """Bytes of these jobs, as far as they are there."""
    wanted = msgspec.json.encode(ids).decode()
    row = tx.execute(f"select sum({_SIZE}) from job where id in (select value from json_each(?))", (wanted,)).fetchone()
    return int(row[0] or 0)


def count(tx: Transaction, maker: str, ids: Sequence[str], more: int) -> int:
    """Count so many more bytes of jobs for ``maker``; how many there are then.

    Args:
        ids: of the jobs that have these bytes, one of which is there at least.
    """
    tx.execute(_COUNTED)
    row = tx.execute(
        "insert into job_bytes (maker, since, bytes)"
        " values (?, (select min(seq) from job where id in (select value from json_each(?))), max(0, ?))"
        " on conflict (maker) do update set bytes = max(0, bytes + ?) returning bytes",
        (maker, msgspec.json.encode(ids).decode(), more, more),
    ).fetchone()
    return int(row[0])


def counts(tx: Transaction) -> bool:
    """Whether the bytes of somebody's jobs are counted."""
    return tx.execute("select 1 from sqlite_master where name = 'job_bytes'").fetchone() is not None


def uncount(tx: Transaction, seq: int) -> None:
    """A job is about to be deleted."""
    tx.execute(
        f"update job_bytes set bytes = max(0, bytes - (select {_SIZE} from job where seq = ?))"
        f" where maker = (select {_BY} from job where seq = ?) and since <= ?",
        (seq, seq, seq),
    )
