"""How much of the record somebody uses, for quotas.

What this takes of the record is made when it is first needed: it costs every add some microseconds, which a record
without quotas need not pay. Bytes are counted as they change, because to sum them up at each add would stop the writer.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from job_engine.store.transaction import Transaction

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


def _of(row: str) -> tuple[str, str]:
    """Who has made a document other than a job, and its bytes, in SQL."""
    return f"json_extract({row}.document, '$.\"created-by\"')", f"length(cast({row}.document as blob))"


_MAKER, _BYTES = _of("resource")
_PLUS: Final = (
    "insert into document_bytes select {}, {} where {} is not null"
    " on conflict (maker) do update set bytes = bytes + excluded.bytes;"
)
_MINUS: Final = "update document_bytes set bytes = bytes - {1} where maker = {0};"
_ADDED, _GONE = _PLUS.format(*_of("new"), _of("new")[0]), _MINUS.format(*_of("old"))
_DOCUMENTS: Final = (
    "drop index if exists resource_made_by",  # of earlier versions, which summed up
    "create table document_bytes (maker text primary key, bytes integer not null) without rowid",
    f"insert into document_bytes select {_MAKER}, sum({_BYTES}) from resource where {_MAKER} is not null group by 1",
    f"create trigger document_added after insert on resource begin {_ADDED} end",
    f"create trigger document_deleted after delete on resource begin {_GONE} end",
    f"create trigger document_changed after update of document on resource begin {_GONE} {_ADDED} end",
)
"""Bytes of the documents other than jobs of each maker."""


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
    if not _there(tx, "document_bytes"):
        for statement in _DOCUMENTS:
            tx.execute(statement)
    row = tx.execute("select bytes from document_bytes where maker = ?", (maker,)).fetchone()
    return 0 if row is None else int(row[0])


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
    return _there(tx, "job_bytes")


def _there(tx: Transaction, table: str) -> bool:
    return tx.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone() is not None


def uncount(tx: Transaction, seq: int) -> None:
    """A job is about to be deleted."""
    tx.execute(
        f"update job_bytes set bytes = max(0, bytes - (select {_SIZE} from job where seq = ?))"
        f" where maker = (select {_BY} from job where seq = ?) and since <= ?",
        (seq, seq, seq),
    )
