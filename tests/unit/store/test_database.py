"""The writer: group commit, isolation of what fails, and clear words for records that cannot be opened."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from job_engine.job.document import NewJob, new_job
from job_engine.job.errors import Conflict, JobEngineError
from job_engine.job.times import iso
from job_engine.store import database, jobs, schema, settings
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction


def serve(path: Path, scenario: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        store = Store(path)
        store.start()
        try:
            await asyncio.wait_for(scenario(store), 30)
        finally:
            await store.close()

    asyncio.run(main())


def put(tx: Transaction, name: str, value: str = "") -> str:
    tx.execute("insert into setting (name, value) values (?, ?)", (name, value))
    return name


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("select name from setting where name != 'record' order by name")]


def test_what_waits_together_is_committed_together_and_seen_by_readers(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        transactions = set()
        store.before_commit.append(lambda tx: transactions.add(id(tx)) if tx.changed else None)

        def verb(tx: Transaction, name: str) -> str:
            tx.changed.append(name)
            return put(tx, name)

        answers = await asyncio.gather(*[store.write(verb, f"{n:03}") for n in range(200)])
        assert answers == [f"{n:03}" for n in range(200)]
        assert await store.read(names) == answers
        assert len(transactions) < 100

    serve(tmp_path / "record.db", scenario)


def test_an_operation_that_fails_spoils_no_other(tmp_path: Path) -> None:
    def half(tx: Transaction) -> None:
        put(tx, "half")
        raise Conflict("no")

    def bug(tx: Transaction) -> None:
        put(tx, "bug")
        raise ZeroDivisionError

    async def scenario(store: Store) -> None:
        outcomes = await asyncio.gather(
            store.write(put, "a"), store.write(half), store.write(bug), store.write(put, "b"), return_exceptions=True
        )
        assert outcomes[0] == "a"
        assert isinstance(outcomes[1], Conflict)
        assert isinstance(outcomes[2], ZeroDivisionError)
        assert await store.read(names) == ["a", "b"]

    serve(tmp_path / "record.db", scenario)


def test_a_second_server_on_a_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT", 0.0)
    path = tmp_path / "record.db"

    async def scenario(store: Store) -> None:
        with pytest.raises(JobEngineError, match="in use by another server"):
            Store(path)

    serve(path, scenario)


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(JobEngineError, match=r"record\.db.*not a record"):
        Store(path)


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(JobEngineError, match="version 99"):
        Store(path)


def test_a_record_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    connection = sqlite3.connect(path)
    connection.executescript(Path(__file__).with_name("version_1.sql").read_text())
    connection.close()

    fresh = sqlite3.connect(":memory:")
    schema.prepare(fresh)
    new = _tables(fresh)
    fresh.close()

    async def scenario(store: Store) -> None:
        now = time.time()
        first = new_job({"action": "a"}, created_by="user/jane", acl={"owners": ["user/jane"]}, now=now)
        sent = {"action": "a", "after": [first.id]}
        second = new_job(sent, created_by="user/jane", acl={"owners": ["user/jane"]}, now=now)
        await store.write(jobs.add, [first, second])
        assert await store.read(lambda c: c.execute("select needs, job from after").fetchall()) == [(1, 2)]
        assert await store.read(_tables) == new
        assert len(await store.read(settings.text, settings.RECORD)) == 16

    serve(path, scenario)


def _tables(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Every table and index, with its columns."""
    names = [name for (name,) in connection.execute("select name from sqlite_schema where name not like 'sqlite_%'")]
    return {
        name: {
            column
            for pragma in ("table_info", "index_info")
            for (column,) in connection.execute(f"select name from pragma_{pragma}(?)", (name,))
        }
        for name in names
    }


def test_a_job_is_made_ready_when_its_time_comes_also_under_load_and_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    granted: list[str] = []

    def delayed(seconds: float) -> NewJob:
        now = time.time()
        sent = {"action": "noop", "not-before": iso(now + seconds)}
        return new_job(sent, created_by="user/jane", acl={"owners": ["user/jane"]}, now=now)

    async def run_one(store: Store) -> None:
        while True:  # each turn is an operation, so the writer is never idle
            jobs_ = await store.write(jobs.claim, "executor/alice", ("noop",), 1)
            if jobs_:
                granted.append(jobs_[0].id)
                return

    async def add_and_run(store: Store) -> None:
        await store.write(jobs.add, [delayed(0.2)])
        await run_one(store)
        await store.write(jobs.add, [delayed(0.4)])

    serve(path, add_and_run)
    serve(path, run_one)
    assert len(set(granted)) == 2
