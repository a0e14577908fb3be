"""How much of the record somebody uses, for quotas.

The indexes are made when they are first needed: each costs every add some microseconds, which a record without quotas
need not pay.
"""

from typing import Final

from job_engine.store.transaction import Transaction

_BYTES: Final = "length(cast(document as blob))"
_BY: Final = "json_extract(document, '$.\"created-by\"')"
_JOBS: Final = f"create index if not exists job_made_by on job ({_BY}) where state = 'QUEUED'"
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
