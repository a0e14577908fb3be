"""The writer: group commit, isolation of what fails, and clear words for records that cannot be opened."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from job_engine.job.document import NewJob, new_job
from job_engine.job.errors import Conflict, JobEngineError, Unavailable
from job_engine.job.times import iso
from job_engine.store import database, jobs, locks, schema, settings
from job_engine.store.database import Store
from job_engine.store.transaction import KNOWN_ACLS, KNOWN_CHARACTERS, Transaction


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
    own = (settings.RECORD, settings.CHECKED)
    return [name for (name,) in connection.execute("select name from setting order by name") if name not in own]


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
    monkeypatch.setattr(locks, "LOCK_WAIT", 0.0)
    path = tmp_path / "record.db"

    async def scenario(store: Store) -> None:
        with pytest.raises(JobEngineError, match="in use by another server"):
            Store(path)

    serve(path, scenario)


@pytest.mark.parametrize("way", ["symbolic link", "hard link", "deleted lock file"])
def test_a_second_server_on_a_record_is_refused_whatever_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(locks, "LOCK_WAIT", 0.0)
    path, other = tmp_path / "record.db", tmp_path / "other" / "record.db"
    other.parent.mkdir()

    async def scenario(store: Store) -> None:
        if way == "symbolic link":
            other.symlink_to(path)
        elif way == "hard link":
            other.hardlink_to(path)
        else:
            os.unlink(f"{path}.lock")
        with pytest.raises(JobEngineError, match="in use by another server"):
            Store(path if way == "deleted lock file" else other)
        await store.write(put, "still there")

    serve(path, scenario)
    serve(path, lambda store: store.write(put, "free again"))


def test_a_record_whose_file_was_replaced_takes_nothing_that_would_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    copy = tmp_path / "copy.db"

    async def scenario(store: Store) -> None:
        await store.write(put, "a")
        connection = sqlite3.connect(path)
        connection.execute("vacuum into ?", (str(copy),))
        connection.close()
        copy.replace(path)
        with pytest.raises(Unavailable, match="replaced under the running server"):
            await store.write(put, "lost")

    serve(path, scenario)
    serve(path, lambda store: store.write(put, "b"))


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Another process has begun a transaction on the record; its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"locked\n"
            yield other.pid
        finally:
            other.stdin.close()
            other.wait()


def test_what_waits_for_somebody_elses_transaction_is_answered_together_and_told_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "record.db"
    begun = 0

    def counted(self: Store) -> None:
        nonlocal begun
        begun += 1
        begin(self)

    begin = Store._begin
    monkeypatch.setattr(Store, "_begin", counted)
    monkeypatch.setattr(database, "TRY_AGAIN", 0.05)

    async def scenario(store: Store) -> None:
        nonlocal begun
        await store.write(put, "a")
        with locked(path) as pid:
            begun = 0
            outcomes = await asyncio.gather(*[store.write(put, str(n)) for n in range(500)], return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {Unavailable}
            assert begun < 50, "all that waits is tried at once, not one by one"
            assert f"(pid {pid}) has locked it" in store.trouble
            assert {getattr(outcome, "for_admins", "") for outcome in outcomes} == {store.trouble}
            assert not [outcome for outcome in outcomes if str(pid) in str(outcome)]
            assert await store.read(names) == ["a"]
        while store.trouble:  # noqa: ASYNC110  # nobody asks, and it is found out all the same
            await asyncio.sleep(0.005)
        await store.write(put, "b")
        assert caplog.text.count("cannot be written") == 1
        assert caplog.text.count("can be written again") == 1

    serve(path, scenario)


def test_the_write_ahead_log_is_bounded_by_its_size_however_few_rows_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKPOINT_LIMIT", 4 << 20)
    monkeypatch.setattr(database, "CHECKPOINT_BYTES", 1 << 20)
    path = tmp_path / "record.db"
    longest = 0

    async def scenario(store: Store) -> None:
        nonlocal longest
        for n in range(60):
            await store.write(put, str(n), "x" * (1 << 20))
            longest = max(longest, os.stat(f"{path}-wal").st_size)

    serve(path, scenario)
    assert longest < 12 << 20, "twice the limit, and what a transaction or two add"


def test_a_reader_that_needs_the_write_ahead_log_holds_the_writer_up_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKPOINT_LIMIT", 1 << 20)
    monkeypatch.setattr(database, "ROOM_AGAIN", 0.0)
    path = tmp_path / "record.db"
    waits: list[float] = []
    patient = Store._be_patient

    def noted(store: Store, seconds: float) -> None:
        waits.append(seconds)
        patient(store, seconds)

    monkeypatch.setattr(Store, "_be_patient", noted)

    async def scenario(store: Store) -> None:
        await store.write(put, "a")
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("begin")
        assert names(reader) == ["a"]
        await store.write(put, "b", "x" * (3 << 19))
        await store.write(put, "c")
        assert os.stat(f"{path}-wal").st_size > 1 << 20, "it is needed"
        assert set(waits) == {database.READER_WAIT, database.BUSY_WAIT}
        reader.close()
        await store.write(put, "d")
        await store.write(put, "e")
        assert os.stat(f"{path}-wal").st_size < 1 << 20

    serve(path, scenario)


def test_the_writer_does_not_wait_while_the_write_ahead_log_is_copied_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKPOINT_LIMIT", 0)
    monkeypatch.setattr(database, "ROOM_AGAIN", 0.0)

    async def scenario(store: Store) -> None:
        with store._copying:  # as the thread that copies has it, however long that takes
            for name in "abc":
                await asyncio.wait_for(store.write(put, name), 10)

    serve(tmp_path / "record.db", scenario)


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


def test_the_acls_that_are_kept_in_memory_are_few(tmp_path: Path) -> None:
    """Each session has one of its own, and a server may see millions."""

    def many(tx: Transaction) -> list[int]:
        return [tx.acl({"owners": [f"user/{n}"]}) for n in range(2 * KNOWN_ACLS)]

    def long(tx: Transaction) -> int:
        return tx.acl({"owners": [f"user/{n}" for n in range(KNOWN_CHARACTERS)]})

    async def scenario(store: Store) -> None:
        numbers = await store.write(many)
        assert len(set(numbers)) == 2 * KNOWN_ACLS
        assert await store.write(many) == numbers, "those that are not known are looked up"
        assert await store.write(long) == await store.write(long)
        assert len(store._acls) <= KNOWN_ACLS
        assert max(map(len, store._acls)) <= KNOWN_CHARACTERS

    serve(tmp_path / "record.db", scenario)
