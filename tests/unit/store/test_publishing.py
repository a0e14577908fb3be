"""What the relay notes is conditional, and what it asks never looks at every job."""

from typing import Any

import pytest

from job_engine.job.attend import Claim, Released, Write
from job_engine.store import jobs, publishing
from job_engine.store.holds import Claimed
from job_engine.store.publishing import Hold, Note, Picked
from job_engine.store.transaction import Transaction
from tests.unit.store.record import Record

A, B = "entry-999-0000000001", "entry-999-0000000002"


def added(record: Record, count: int = 1, **attributes: object) -> list[str]:
    record.do(publishing.prepare)
    ids: Any = record.do(jobs.add, [record.job(**attributes) for _ in range(count)])
    return list(ids)


def pick(record: Record, *asked: Any) -> list[Picked]:
    picked: Any = record.do(publishing.publish, *asked)
    return list(picked)


def note(record: Record, name: str, instead: str | None = None, seq: int = 1) -> Any:
    return record.do(publishing.adopt, [Note(seq, name, f"/job/entries/{name}", instead)])[0]


def test_the_best_are_picked_and_noted_once(record: Record) -> None:
    added(record, 2, priority=9)
    (best,) = added(record, priority=1)
    added(record, priority=0, execution_mode="pull")
    picked = pick(record, [], 2)
    assert [job.seq for job in picked] == [3, 1]
    notes = [Note(job.seq, f"entry-{n}", f"/job/entries/entry-{n}") for n, job in enumerate(picked)]
    assert [job.seq for job in pick(record, notes, 5)] == [2]
    assert record.one("select entry, tags from job where id = ?", best) == ("entry-0", '["/job/entries/entry-0"]')
    again = [one._replace(name="entry-9") for one in notes]
    assert record.do(publishing.adopt, again) == [False, False]
    assert record.do(publishing.adopt, notes) == [True, True], "a repetition"


def test_only_better_ones_are_picked_below_a_priority(record: Record) -> None:
    added(record, 2, priority=9)
    added(record, priority=8)
    assert [job.priority for job in pick(record, [], 9, 9)] == [8]


def test_a_detached_job_is_picked_unless_it_is_monitored_or_an_edge_runs_it(record: Record) -> None:
    added(record, 3)
    for seq in (1, 2, 3):
        record.do(jobs.edit, seq, {"state": "RUNNING"})
    record.do(jobs.edit, 2, {"tags": ["monitor"]})
    record.do(jobs.edit, 3, {"execution-mode": "pull"})
    assert [job.seq for job in pick(record, [], 9)] == [1]


def test_a_late_note_does_not_take_the_tag_of_a_bulk_job_that_has_run(record: Record) -> None:
    """Its executor took the entry before the relay heard that it was put, and has consumed it since."""
    (job,) = added(record)
    record.do(jobs.claim_entries, "executor-1", [Claim(A, job)], {"noop"})
    record.do(jobs.write, {1: Claimed(1, job, 1)}, [Write(1, 1, None, {"tags": ["monitor"]})])
    record.do(jobs.release, [Released(1, 1, "detached")])
    assert not note(record, A)
    assert record.one("select state, entry, tags from job") == ("RUNNING", None, '["monitor"]')
    assert pick(record, [], 9) == [], "it is not run again"


@pytest.mark.parametrize("change", ["held", "final", "waiting"])
def test_nothing_is_noted_for_a_job_that_needs_no_entry(record: Record, change: str) -> None:
    added(record)
    if change == "held":
        record.do(jobs.claim, "executor-1", ["noop"], 1)
    elif change == "final":
        record.do(jobs.cancel, [1])
    else:
        record.do(jobs.edit, 1, {"execution-mode": "pull"})
    assert note(record, A) is False
    assert record.one("select entry from job") == (None,)


def test_an_entry_is_cleared_only_as_it_was_read_and_while_nobody_holds_the_job(record: Record) -> None:
    (job,) = added(record)
    assert note(record, A)
    assert record.do(publishing.clear, [(1, B)]) == [False]
    claims = [publishing_claim(A, job)]
    record.do(jobs.claim_entries, "executor-1", claims, {"noop"})
    assert record.do(publishing.clear, [(1, A)]) == [False]
    record.do(_untag)
    assert note(record, A) is True, "a claim that came before the note"
    assert record.one("select tags from job") == (f'["/job/entries/{A}"]',)
    assert note(record, B, instead=A) is False
    record.do(jobs.end_holds, "executor-1", "gone")
    assert note(record, B) is False, "another one is noted"
    assert note(record, B, instead=A) is True
    assert record.do(publishing.clear, [(1, B)]) == [True]
    assert record.do(publishing.clear, [(1, B)]) == [False]


def test_a_hold_ends_as_it_was_read(record: Record) -> None:
    (job,) = added(record)
    record.do(jobs.claim_entries, "executor-1", [publishing_claim(A, job)], {"noop"})
    (hold,) = publishing.holds(record.connection)
    assert hold == Hold(1, 1, job, "executor-1", A)
    assert record.do(publishing.end_holds, [hold._replace(attempt=2)], "gone") == []
    assert record.do(publishing.end_holds, [hold], "gone") == [hold]
    assert record.one("select state, holder, entry, deaths from job") == ("QUEUED", None, A, 0)
    assert record.do(publishing.end_holds, [hold], "gone") == []


def test_no_question_looks_at_every_job(record: Record) -> None:
    """The pick of a million waiting jobs costs what it picks."""
    (job,) = added(record)
    note(record, A)
    asked: list[str] = []
    record.connection.set_trace_callback(asked.append)
    record.do(publishing.publish, [Note(1, A, A)], 5)
    record.do(publishing.publish, [], 5, 7)
    record.do(publishing.clear, [(1, A)])
    publishing.read(record.connection, [job, "job/other"])
    publishing.holds(record.connection)
    record.connection.set_trace_callback(None)
    plans = [
        row[3]
        for statement in asked
        if statement.startswith(("select", "update"))
        for row in record.connection.execute(f"explain query plan {statement}")
    ]
    assert len(plans) >= 8
    for plan in plans:
        assert not plan.startswith("SCAN job") or "INDEX job_" in plan, plan
        assert "TEMP B-TREE" not in plan, plan
    scans = {plan for plan in plans if plan.startswith("SCAN job")}
    assert all("job_unpublished" in plan or "job_orphaned" in plan for plan in scans), scans
    limited = [statement for statement in asked if "job_unpublished" in statement or "job_orphaned" in statement]
    assert all("limit" in statement for statement in limited)


def test_a_record_without_a_relay_has_none_of_its_indexes(record: Record) -> None:
    names = "select count(*) from sqlite_master where name in ('job_unpublished', 'job_orphaned', 'job_published')"
    assert record.one(names) == (0,)
    record.do(publishing.prepare)
    record.do(publishing.prepare)
    assert record.one(names) == (3,)


def _untag(tx: Transaction) -> None:
    tx.execute("update job set tags = null")


def publishing_claim(entry: str, job: str) -> Any:
    from job_engine.job.attend import Claim

    return Claim(entry, job)
