"""Jobs that wait for other jobs: what they wait for, and what becomes of them."""

import asyncio
import sys
from pathlib import Path

import pytest

from job_engine.job.attend import Finished, Released
from job_engine.job.errors import Conflict, Invalid
from job_engine.store import grants, jobs
from job_engine.store.database import Store
from job_engine.store.jobs.after import ended
from tests.unit.store.record import Record

SETTLING = sys.modules["job_engine.store.jobs.settle"]  # the package shows the verb of this name


def add(record: Record, **attributes: object) -> str:
    return record.do(jobs.add, [record.job(**attributes)])[0]  # type: ignore[index,no-any-return]


def state(record: Record, id_: object) -> tuple[object, ...]:
    return record.one("select state, waits, message from job where id = ?", id_)


def seq(record: Record, id_: object) -> int:
    return record.one("select seq from job where id = ?", id_)[0]  # type: ignore[return-value]


def finish(record: Record, id_: object, end: str = "SUCCESS", message: str | None = None) -> None:
    """Have an executor claim the job, and end it."""
    tx = record()
    number = seq(record, id_)
    tx.execute(
        "update job set state = 'RUNNING', holder = 'e', attempt = attempt + 1 where seq = ? and waits = 0", (number,)
    )
    holds = grants.held(tx, "e")
    record.do(jobs.finish, holds, [Finished(number, holds[number].claim, end, 1.0, 2.0, message=message)])


def rows(record: Record) -> object:
    return record.one("select (select count(*) from after), (select count(*) from settling)")


def test_it_waits_until_all_are_success(record: Record) -> None:
    a, b = add(record), add(record)
    c = add(record, after=[a, b])
    assert state(record, c) == ("QUEUED", 3, None)
    finish(record, a)
    assert state(record, c)[:2] == ("QUEUED", 3)
    finish(record, b)
    assert state(record, c)[:2] == ("QUEUED", 0)
    assert rows(record) == (0, 0)


def test_it_is_told_that_it_became_ready(record: Record) -> None:
    a = add(record)
    c = add(record, action="other", after=[a])
    tx = record()
    ended(tx, [(seq(record, a), a, "SUCCESS", None)])
    jobs.settle(tx)
    assert (tx.ready, tx.changed, tx.added) == (True, [c], {"other"})


def test_what_has_succeeded_is_not_waited_for(record: Record) -> None:
    a = add(record)
    finish(record, a)
    assert state(record, add(record, after=[a]))[:2] == ("QUEUED", 0)
    b = add(record)
    c = add(record, after=[a, b])
    assert rows(record) == (1, 0)
    finish(record, b)
    assert state(record, c)[:2] == ("QUEUED", 0)


def test_a_failure_goes_down_the_chain_with_its_reason(record: Record) -> None:
    a = add(record)
    b = add(record, after=[a])
    c = add(record, after=[b])
    d = add(record, after=[c, a])
    finish(record, a, "FAILED", "boom\nTraceback ...")
    assert state(record, b) == ("FAILED", 3, f"{a}, which it waits for, has FAILED: boom")
    assert state(record, c) == ("FAILED", 3, f"{a}, which it waits for, has FAILED: boom")
    assert state(record, d)[0] == "FAILED"
    assert rows(record) == (0, 0)
    assert record.events(seq(record, c)) == [("failed", None)]


def test_long_chains_name_what_failed_first(record: Record) -> None:
    first = last = add(record)
    for _ in range(50):
        last = add(record, after=[last])
    finish(record, first, "FAILED", "boom")
    assert state(record, last) == ("FAILED", 3, f"{first}, which it waits for, has FAILED: boom")


@pytest.mark.parametrize("how", ["cancel", "delete", "edit"])
def test_other_ends(record: Record, how: str) -> None:
    a = add(record)
    b, c = add(record, after=[a]), add(record, after=[a], after_failure="run")
    number = seq(record, a)
    if how == "cancel":
        record.do(jobs.cancel, [number], "by user/jane")
        said = f"{a}, which it waits for, was CANCELED: by user/jane"
    elif how == "delete":
        record.do(jobs.delete, [number])
        said = f"{a}, which it waits for, was deleted"
    else:
        record.do(jobs.edit, number, {"status-message": "no disk", "state": "FAILED"})
        said = f"{a}, which it waits for, has FAILED: no disk"
    assert state(record, b) == ("FAILED", 3, said)
    assert state(record, c)[:2] == ("QUEUED", 0)


def test_an_edit_to_success_counts(record: Record) -> None:
    a = add(record)
    b = add(record, after=[a])
    record.do(jobs.edit, seq(record, a), {"state": "SUCCESS"})
    assert state(record, b)[:2] == ("QUEUED", 0)


def test_cleanup_strands_nobody(record: Record) -> None:
    a, b = add(record), add(record)
    c = add(record, after=[a, b])
    finish(record, a)
    record.do(jobs.delete, [seq(record, a)])
    finish(record, b)
    assert state(record, c)[:2] == ("QUEUED", 0)


def test_what_has_failed_before_fails_it_at_once(record: Record) -> None:
    a = add(record)
    finish(record, a, "FAILED", "boom")
    assert state(record, add(record, after=[a])) == ("FAILED", 3, f"{a}, which it waits for, has FAILED: boom")
    assert state(record, add(record, after=[a], after_failure="run"))[:2] == ("QUEUED", 0)
    assert rows(record) == (0, 0)


def test_a_chain_that_is_added_after_the_failure_names_what_failed_first(record: Record) -> None:
    first = last = add(record)
    finish(record, first, "FAILED", "boom " * 100)
    for _ in range(3):
        last = add(record, after=[last])
    message = str(state(record, last)[2])
    assert message.startswith(f"{first}, which it waits for, has FAILED: boom boom")
    assert message.count("which it waits for") == 1


def test_a_retry_on_the_way_is_no_end(record: Record) -> None:
    a = add(record, retries=1)
    b = add(record, after=[a])
    (granted,) = record.do(jobs.claim, "e", ["noop"], 1)  # type: ignore[misc]
    record.do(jobs.release, [Released(granted.seq, 1, "failed", "boom", 5.0)])
    assert state(record, b)[:2] == ("QUEUED", 3)


def test_unknown_jobs_are_named(record: Record) -> None:
    a = add(record)
    with pytest.raises(Invalid, match=r"there is no job/nothing$"):
        add(record, after=[a, "job/nothing"])
    one, two = record.job(), record.job(after=["job/nothing"])
    with pytest.raises(Invalid, match=r"job 1 of 2: .*there is no job/nothing"):
        record.do(jobs.add, [one, two])
    assert record.one("select count(*) from job") == (1,)


def test_a_graph_in_one_add(record: Record) -> None:
    one = record.job()
    two = record.job(after=[one.id])
    three = record.job(after=[one.id, two.id])
    record.do(jobs.add, [one, two, three])
    assert [state(record, job.id)[1] for job in (one, two, three)] == [0, 3, 3]
    finish(record, one.id)
    finish(record, two.id)
    assert state(record, three.id)[:2] == ("QUEUED", 0)
    later = record.job()
    with pytest.raises(Invalid, match="there is no"):  # so there are no cycles
        record.do(jobs.add, [record.job(after=[later.id]), later])


def test_a_time_to_wait_for_too(record: Record) -> None:
    a = add(record)
    soon = "2999-01-01T00:00:00.000Z"
    b, c = add(record, after=[a], not_before=soon), add(record, after=[a], execution_mode="pull")
    finish(record, a)
    assert state(record, b)[:2] == ("QUEUED", 1)
    assert state(record, c)[:2] == ("QUEUED", 2)
    record.now = 32503680000.0 + 366 * 86400
    record.do(jobs.ripen)
    assert state(record, b)[:2] == ("QUEUED", 0)


def test_a_time_that_has_passed_meanwhile(record: Record) -> None:
    a = add(record)
    b = add(record, after=[a], not_before="2999-01-01T00:00:00.000Z")
    record.now = 32503680000.0 + 366 * 86400
    record.do(jobs.ripen)
    assert state(record, b)[:2] == ("QUEUED", 3)
    finish(record, a)
    assert state(record, b)[:2] == ("QUEUED", 0)


def test_it_cannot_be_run_before(record: Record) -> None:
    a = add(record)
    b = add(record, after=[a])
    record.do(jobs.edit, seq(record, b), {"execution-mode": "mixed"})
    assert state(record, b)[:2] == ("QUEUED", 3)
    assert [job.id for job in record.do(jobs.claim, "e", ["noop"], 9)] == [a]  # type: ignore[attr-defined]
    with pytest.raises(Conflict, match="it waits for other jobs"):
        record.do(jobs.edit, seq(record, b), {"state": "RUNNING"})


@pytest.mark.parametrize("verb", [jobs.cancel, jobs.delete])
def test_one_that_waits_can_be_ended(record: Record, verb: object) -> None:
    a = add(record)
    b = add(record, after=[a])
    c = add(record, after=[b])
    record.do(verb, [seq(record, b)])  # type: ignore[arg-type]
    assert state(record, c)[0] == "FAILED"
    assert rows(record) == (0, 0)
    finish(record, a)


def test_many_are_settled_in_parts(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTLING, "SETTLED", 10)
    a = add(record)
    record.do(jobs.add, [record.job(after=[a]) for _ in range(25)])
    tail = add(record, after=[a], after_failure="run")
    finish(record, a, "FAILED", "boom")
    left = "select count(*) from job where state = 'QUEUED' and waits = 3"
    assert record.one(left) == (16,)
    record.do(jobs.delete, [seq(record, a)])  # how it ended is known all the same; who may read why is not
    assert record.one(left) == (6,)
    tx = record()
    jobs.ripen(tx)
    assert tx.settles
    jobs.settle(tx)
    assert record.one(left) == (0,)
    ended = "select count(distinct message), min(message), max(message) from job where state = 'FAILED'"
    bare = f"{a}, which it waits for, has FAILED"
    assert record.one(ended) == (2, bare, f"{bare}: boom")
    assert state(record, tail)[:2] == ("QUEUED", 0)
    assert rows(record) == (0, 0)


async def test_a_store_goes_on_by_itself_and_after_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTLING, "SETTLED", 10)
    record = Record()
    waiting = "select count(*) from job where state = 'QUEUED' and waits = 3"

    async def until_none(store: Store) -> None:
        ready = asyncio.Event()
        store.after_commit.append(lambda tx: ready.set())
        while await store.read(lambda connection: connection.execute(waiting).fetchone()) != (0,):
            await asyncio.wait_for(ready.wait(), 10)
            ready.clear()

    async def first() -> None:
        store = Store(tmp_path / "record.db")
        store.start()
        a = record.job()
        await store.write(jobs.add, [a])
        await store.write(jobs.add, [record.job(after=[a.id]) for _ in range(35)])
        await store.write(jobs.cancel, [1])
        await until_none(store)
        b = record.job()
        await store.write(jobs.add, [b, *(record.job(after=[b.id]) for _ in range(15))])
        # as if the process had ended after the first part
        await store.write(lambda tx: tx.execute("insert into settling (needs, failure) values (37, 'x')").close())
        await store.write(lambda tx: tx.execute("update job set state = 'FAILED' where seq = 37").close())
        await store.close()

    async def second() -> None:
        store = Store(tmp_path / "record.db")
        store.start()
        await until_none(store)
        await store.close()

    await first()
    await second()
