"""The claim by an entry of the locking queue: who gets a job, what others are told, and what becomes of the entry."""

import pytest

from job_engine.job.attend import CANNOT, GONE, HELD, MISSING, Claim, Released
from job_engine.job.errors import Conflict
from job_engine.job.times import iso
from job_engine.store import documents, jobs
from tests.unit.store.record import Record

ALICE, BOB = "executor-00000000000a11ce", "executor-0000000000000b0b"
FIRST, SECOND = "entry-999-0000000001", "entry-999-0000000002"
NOOP = frozenset({"noop"})


def claim(record: Record, id_: str, entry: str = FIRST, member: str = ALICE, actions: frozenset[str] | None = NOOP):
    """The attempt that is granted, or the verdict."""
    granted, refused = record.do(jobs.claim_entries, member, [Claim(entry, id_)], actions)
    assert len(granted) + len(refused) == 1
    assert all(job.entry == entry for job in granted)
    assert all(told == entry for told, _ in refused)
    return granted[0].attempt if granted else refused[0][1]


def add(record: Record, **attributes: object) -> str:
    return record.do(jobs.add, [record.job(**attributes)])[0]


def note(record: Record, entry: str | None) -> None:
    record.connection.execute("update job set entry = ?", (entry,))


def row(record: Record) -> tuple[object, ...]:
    return record.one("select state, holder, attempt, entry from job")


def release(record: Record, why: str, **said: object) -> None:
    (attempt,) = record.one("select attempt from job")
    record.do(jobs.release, [Released(1, attempt, why, **said)])


@pytest.mark.parametrize("noted", [FIRST, None])
def test_a_ready_job_is_granted_by_its_entry_or_before_one_is_noted(record: Record, noted: str | None) -> None:
    id_ = add(record)
    note(record, noted)
    assert claim(record, id_) == 1
    assert row(record) == ("RUNNING", ALICE, 1, FIRST)


def test_a_claim_repeated_by_its_holder_is_answered_as_before(record: Record) -> None:
    id_ = add(record)
    assert [claim(record, id_) for _ in range(3)] == [1, 1, 1]
    assert claim(record, id_, SECOND) == GONE
    assert claim(record, id_, actions=frozenset()) == 1, "what it holds it gets, whatever it can run now"


def test_another_member_is_told_that_the_job_is_held_and_by_whom_the_relay_is(record: Record) -> None:
    id_ = add(record)
    claim(record, id_)
    tx = record()
    assert jobs.claim_entries(tx, BOB, [Claim(FIRST, id_)], NOOP) == ([], [(FIRST, HELD)])
    assert tx.blocked == {ALICE}
    assert claim(record, id_, SECOND, BOB) == GONE, "this entry names a job that goes by another one"
    assert row(record) == ("RUNNING", ALICE, 1, FIRST)


def test_nothing_is_to_be_done_for_jobs_that_are_final_waiting_or_to_be_pulled(record: Record) -> None:
    final = add(record)
    record.do(jobs.cancel, [1])
    waiting = add(record, not_before=iso(record.now + 60))
    pull = add(record, execution_mode="pull")
    assert [claim(record, id_) for id_ in (final, waiting, pull)] == [GONE] * 3
    record.do(jobs.edit, 3, {"state": "RUNNING"})  # as the engine on an edge does
    assert claim(record, pull) == GONE
    assert claim(record, "job/of-nobody") == MISSING


def test_who_lacks_the_action_leaves_the_job_to_others(record: Record) -> None:
    id_ = add(record)
    tx = record()
    assert jobs.claim_entries(tx, ALICE, [Claim(FIRST, id_)], frozenset({"other"}))[1] == [(FIRST, CANNOT)]
    assert tx.lacked == {"noop"}
    assert claim(record, id_, actions=None) == HELD, "as long as that is not known, it is to ask again"
    assert row(record) == ("QUEUED", None, 0, None)
    assert claim(record, id_, member=BOB) == 1


def test_many_claims_of_one_batch_see_each_other(record: Record) -> None:
    one, two = record.do(jobs.add, [record.job(), record.job(action="other")])
    claims = [Claim(SECOND, one), Claim(FIRST, one), Claim(SECOND, one), Claim("entry-001-0000000007", two)]
    granted, refused = record.do(jobs.claim_entries, ALICE, claims, NOOP)
    assert [(job.id, job.entry, job.attempt) for job in granted] == [(one, SECOND, 1)]
    assert refused == [(FIRST, GONE), ("entry-001-0000000007", CANNOT)]
    assert record.one("select holder, attempt, entry from job where seq = 1") == (ALICE, 1, SECOND)


def test_what_is_granted_carries_the_checkpoint_of_earlier_attempts(record: Record) -> None:
    id_ = add(record)
    claim(record, id_)
    record.connection.execute("insert into checkpoint values (1, '[7]')")
    record.connection.execute("update job set begun = 1")
    release(record, "stopped")
    ((job,), _) = record.do(jobs.claim_entries, BOB, [Claim(FIRST, id_)], NOOP)
    assert (bytes(job.checkpoint), job.resumed, job.attempt) == (b"[7]", True, 2)


@pytest.mark.parametrize(
    ("why", "delay", "kept"),
    [
        ("unstarted", 0, True),
        ("stopped", 0, True),
        ("lost", 0, True),
        ("died", 0, True),
        ("died", 5, False),
        ("failed", 5, False),
        ("failed", 0, False),
    ],
)
def test_a_job_that_is_ready_at_once_keeps_its_entry(record: Record, why: str, delay: float, kept: bool) -> None:
    id_ = add(record)
    claim(record, id_)
    release(record, why, delay=delay)
    assert row(record) == ("QUEUED", None, 1, FIRST if kept else None)
    assert claim(record, id_, SECOND, BOB) == (GONE if kept or delay else 2)
    if kept:
        assert claim(record, id_, FIRST, BOB) == 2


def test_the_end_of_a_members_holds_keeps_the_entry_for_the_next(record: Record) -> None:
    id_ = add(record)
    claim(record, id_)
    record.do(jobs.end_holds, ALICE, "its member is gone")
    assert row(record) == ("QUEUED", None, 1, FIRST)
    assert claim(record, id_, FIRST, BOB) == 2


def test_a_job_that_is_to_be_pulled_now_has_no_entry_any_more(record: Record) -> None:
    id_ = add(record)
    note(record, FIRST)
    record.do(jobs.edit, 1, {"execution-mode": "pull"})
    assert row(record) == ("QUEUED", None, 0, None)
    record.do(jobs.edit, 1, {"execution-mode": "mixed"})
    claim(record, id_)
    record.do(jobs.edit, 1, {"state": "QUEUED", "execution-mode": "pull"}, 1)  # upstream's second try
    assert row(record) == ("QUEUED", None, 1, None)
    assert claim(record, id_) == GONE


# Detached: RUNNING without a holder


def test_a_detached_job_runs_on_without_a_holder_and_out_of_the_queue(record: Record) -> None:
    id_ = add(record, action="noop")
    claim(record, id_)
    record.connection.execute("update job set begun = 1, deaths = 2")
    release(record, "detached", output="fanned out")
    assert row(record) == ("RUNNING", None, 1, None)
    assert record.one("select deaths, not_before, output from job") == (2, None, "fanned out")
    record.do(jobs.edit, 1, {"progress": 40, "status-message": "4 of 10"})
    record.do(jobs.edit, 1, {"state": "SUCCESS"})
    assert record.one("select state, attempt from job") == ("SUCCESS", 1)
    job = documents.job(record.connection, id_)
    history = [(event["kind"], event.get("attempt")) for event in documents.events(record.connection, job)]
    assert history == [("added", None), ("claimed", 1), ("detached", 1), ("success", 1)]


def test_a_bulk_job_whose_children_are_watched_is_not_run_again(record: Record) -> None:
    id_ = add(record)
    claim(record, id_)
    record.do(jobs.edit, 1, {"tags": ["monitor"]}, 1)
    release(record, "detached")
    assert claim(record, id_, FIRST, BOB) == GONE, "who died before it consumed the entry leaves it behind"
    record.do(jobs.edit, 1, {"tags": ["monitors"]})
    assert claim(record, id_, FIRST, BOB) == 2


def test_an_executor_of_another_kind_detaches_each_time_it_begins(record: Record) -> None:
    id_ = add(record)
    note(record, FIRST)
    for attempt in (1, 2):
        tx = record()
        jobs.edit(tx, 1, {"state": "RUNNING"})
        tx.flush()
        assert tx.foreign == {"noop"}
        assert row(record) == ("RUNNING", None, attempt, FIRST)
    assert claim(record, id_, SECOND) == GONE
    assert claim(record, id_) == 3, "who began has died, or will be refused"
    assert [kind for kind, _ in record.events(1)] == ["claimed", "claimed"]


def test_the_history_of_a_detached_job_tells_each_claim_once(record: Record) -> None:
    id_ = add(record)
    record.do(jobs.edit, 1, {"state": "RUNNING"})
    record.do(jobs.edit, 1, {"state": "QUEUED"})
    job = documents.job(record.connection, id_)
    history = [event["kind"] for event in documents.events(record.connection, job)]
    assert history == ["added", "claimed", "released"]


def test_an_executor_of_another_kind_is_refused_what_is_held_or_waits(record: Record) -> None:
    id_ = add(record)
    claim(record, id_)
    for state in ("RUNNING", "SUCCESS", "QUEUED"):
        with pytest.raises(Conflict, match="only the executor that holds it"):
            record.do(jobs.edit, 1, {"state": state})
    record.do(jobs.edit, 1, {"state": "RUNNING"}, 1)
    assert row(record) == ("RUNNING", ALICE, 1, FIRST), "its holder may say what is so"
    add(record, not_before=iso(record.now + 60))
    with pytest.raises(Conflict, match="not-before"):
        record.do(jobs.edit, 2, {"state": "RUNNING"})


@pytest.mark.parametrize("before", ["ready", "detached"])
def test_an_executor_of_another_kind_may_end_what_nobody_holds(record: Record, before: str) -> None:
    id_ = add(record)
    note(record, FIRST)
    if before == "detached":
        record.do(jobs.edit, 1, {"state": "RUNNING"})
    record.do(jobs.edit, 1, {"state": "FAILED", "return-code": 1})
    assert record.one("select state, return_code from job") == ("FAILED", 1)
    assert claim(record, id_) == GONE


def test_who_took_over_a_detached_job_shuts_out_who_ran_it(record: Record) -> None:
    id_ = add(record)
    record.do(jobs.edit, 1, {"state": "RUNNING"})
    assert claim(record, id_) == 2
    with pytest.raises(Conflict, match="only the executor that holds it"):
        record.do(jobs.edit, 1, {"state": "SUCCESS"})
