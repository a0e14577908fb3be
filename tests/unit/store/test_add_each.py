"""Adds whose jobs fail one by one, and adds that do not pile jobs up."""

import pytest

from job_engine.job.errors import Conflict, Invalid
from job_engine.store import jobs
from job_engine.store.jobs import Added
from job_engine.store.jobs.active import active
from tests.unit.store.record import Record

TARGET = {"href": "node/1"}


def add_each(record: Record, *new: object, key: str | None = None) -> Added:
    return record.do(jobs.add_each, list(new), key)  # type: ignore[return-value]


def test_no_second_one_while_one_is_active(record: Record) -> None:
    plain = record.job(target_resource=TARGET)
    record.do(jobs.add, [plain])
    for wanted in (record.job(target_resource=TARGET, unless_active=True),):
        with pytest.raises(Conflict, match=f"noop is active already: {plain.id}"):
            record.do(jobs.add, [wanted])
    record.do(jobs.claim, "e", ["noop"], 1)
    with pytest.raises(Conflict, match=plain.id):
        record.do(jobs.add, [record.job(target_resource=TARGET, unless_active=True)])
    record.do(jobs.cancel, [1])
    record.do(jobs.add, [record.job(target_resource=TARGET, unless_active=True)])
    assert record.one("select count(*) from job") == (2,)


def test_another_action_or_target_does_not_count(record: Record) -> None:
    record.do(jobs.add, [record.job(target_resource=TARGET)])
    record.do(jobs.add, [record.job(unless_active=True)])
    record.do(jobs.add, [record.job(action="x", unless_active=True, target_resource=TARGET)])
    with pytest.raises(Conflict):  # without a target is one case too
        record.do(jobs.add, [record.job(unless_active=True)])


def test_waiting_jobs_are_active(record: Record) -> None:
    a = record.job(action="a")
    b = record.job(after=[a.id])
    record.do(jobs.add, [a, b, record.job(action="c", not_before="2999-01-01T00:00:00Z")])
    for action in ("noop", "c"):
        with pytest.raises(Conflict):
            record.do(jobs.add, [record.job(action=action, unless_active=True)])


def test_a_repeat_does_not_meet_its_own_job(record: Record) -> None:
    (id_,) = record.do(jobs.add, [record.job(unless_active=True)], "k")  # type: ignore[misc]
    assert record.do(jobs.add, [record.job(unless_active=True)], "k") == [id_]
    assert add_each(record, record.job(unless_active=True), key="k").ids == [id_]


def test_each_fails_alone(record: Record) -> None:
    plain = record.job()
    again, other, bad, last = (
        record.job(unless_active=True),
        record.job(action="other", unless_active=True),
        record.job(after=["job/no"]),
        record.job(action="other", unless_active=True),
    )
    added = add_each(record, plain, again, other, bad, last)
    assert added.ids == [plain.id, other.id]
    assert {n: (type(refusal.error), refusal.active) for n, refusal in added.refused.items()} == {
        1: (Conflict, plain.id),
        3: (Invalid, None),
        4: (Conflict, other.id),
    }
    assert record.one("select count(*) from job") == (2,)


def test_who_waits_for_a_refused_one_is_refused(record: Record) -> None:
    first, refused = record.job(), record.job(unless_active=True)
    dependent = record.job(action="x", after=[refused.id])
    added = add_each(record, first, refused, dependent)
    assert added.ids == [first.id]
    assert refused.id in added.refused[2].error.message


def test_all_or_none_says_which(record: Record) -> None:
    with pytest.raises(Conflict, match=r"^job 1 of 2: conflict: noop is active already"):
        record.do(jobs.add, [record.job(), record.job(unless_active=True)])
    assert record.one("select count(*) from job") == (0,)


def test_a_repeat_answers_the_first_ids(record: Record) -> None:
    first = add_each(record, record.job(), record.job(unless_active=True), record.job(action="x"), key="k")
    again = add_each(record, record.job(action="y"), key="k")
    assert (again.ids, again.repeated, again.refused) == (first.ids, True, {})
    record.do(jobs.delete, [1])
    assert add_each(record, record.job(), key="k").ids == first.ids[1:]
    record.do(jobs.delete, [2])
    assert add_each(record, record.job(), key="k") == Added([], {}, True)
    assert record.one("select count(*) from job") == (0,)


def test_an_empty_add_is_remembered(record: Record) -> None:
    assert add_each(record, key="k") == Added([])
    assert add_each(record, record.job(), key="k") == Added([], {}, True)
    assert record.do(jobs.add, [], "l") == []
    assert record.do(jobs.add, [record.job()], "l") == []
    assert record.one("select count(*) from job") == (0,)


def test_the_oldest_active_one_is_found_by_an_index(record: Record) -> None:
    record.do(jobs.add, [record.job(target_resource=TARGET) for _ in range(3)])
    first = record.one("select id from job where seq = 1")[0]
    assert active(record(), "noop", "node/1") == first
    plan = record.connection.execute(
        "explain query plan select id from job indexed by job_active where state in ('QUEUED', 'RUNNING')"
        " and action = ? and target is ? order by seq limit 1",
        ("noop", None),
    ).fetchall()
    assert [row[3] for row in plan] == ["SEARCH job USING INDEX job_active (action=? AND target=?)"]
