"""Who waits is woken by what a commit changed, and by nothing else."""

import asyncio
import sqlite3

from job_engine.api.changes import BACKLOG, Changes
from job_engine.store.transaction import Transaction


def told(changes: Changes, *ids: str) -> None:
    tx = Transaction(sqlite3.connect(":memory:"), {}, lambda seq, attempt: attempt)
    tx.changed = list(ids)
    changes.told(tx)


async def test_watches() -> None:
    changes = Changes()
    with changes.of("job/1") as one, changes.of() as every:
        told(changes, "job/2", "job/2")
        assert await every.wait(0)
        assert every.take() == (["job/2"], False)
        assert not await one.wait(0)
        assert not await every.wait(0)
        waiting = asyncio.ensure_future(one.wait(10))
        await asyncio.sleep(0)
        told(changes, *(f"job/{n}" for n in range(BACKLOG + 1)))
        assert await waiting
        assert every.take() == ([], True)
        changes.end()
        assert await one.wait(10)
        assert one.ended
    with changes.of("job/3") as late:
        assert await late.wait(10)
