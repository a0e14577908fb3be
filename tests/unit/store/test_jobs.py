"""The six verbs, one by one."""

from typing import Any

import msgspec
import pytest

from job_engine.job.attend import Finished, Granted, Released, Write
from job_engine.job.errors import Conflict
from job_engine.job.times import iso
from job_engine.store import documents, grants, jobs, transaction
from job_engine.store.transaction import Transaction
from job_engine.store.unknown_actions import not_implemented
from tests.unit.store.record import Record

ALICE, BOB = "executor/alice", "executor/bob"


def claim(record: Record, limit: int = 10, executor: str = ALICE, actions: tuple[str, ...] = ("noop",)) -> list[int]:
    granted = record.do(jobs.claim, executor, actions, limit)
    return [job.seq for job in granted]  # type: ignore[attr-defined]


def finish(record: Record, seq: int, **said: object) -> None:
    item = Finished(seq, attempt_of(record, seq), "SUCCESS", record.now - 3, record.now, **said)  # type: ignore[arg-type]
    record.do(lambda tx: jobs.finish(tx, grants.held(tx, ALICE), [item]))


def attempt_of(record: Record, seq: int) -> int:
    (attempt,) = record.one("select attempt from job where seq = ?", seq)
    assert isinstance(attempt, int)
    return attempt


def release(record: Record, seq: int, why: str, delay: float = 0.0, detail: str = "") -> None:
    record.do(jobs.release, [Released(seq, attempt_of(record, seq), why, detail, delay)])


def start(record: Record, seq: int, **said: object) -> None:
    item = Write(seq, attempt_of(record, seq), record.now, **said)  # type: ignore[arg-type]
    record.do(lambda tx: jobs.write(tx, grants.held(tx, ALICE), [item]))


def test_claims_take_the_best_priority_then_the_oldest(record: Record) -> None:
    record.do(jobs.add, [record.job(priority=p) for p in (500, 10, 999, 10)])
    assert claim(record, 3) == [2, 4, 1]
    assert claim(record) == [3]


def test_a_job_is_claimed_once_and_only_by_who_has_its_action(record: Record) -> None:
    record.do(jobs.add, [record.job(), record.job(action="other")])
    assert claim(record, executor=BOB, actions=("third",)) == []
    assert claim(record) == [1]
    assert claim(record) == []
    assert record.one("select holder, attempt, state from job where seq = 1") == (ALICE, 1, "RUNNING")


def test_pull_jobs_are_never_claimed_until_they_are_push(record: Record) -> None:
    record.do(jobs.add, [record.job(execution_mode="pull")])
    assert claim(record) == []
    record.do(jobs.edit, 1, {"execution-mode": "push"})
    assert claim(record) == [1]


def test_not_before_keeps_a_job_back_until_its_time(record: Record) -> None:
    record.do(jobs.add, [record.job(not_before=iso(record.now + 60))])
    assert claim(record) == []
    tx = record()
    jobs.ripen(tx)
    assert tx.wakes == pytest.approx(record.now + 60, abs=0.001)
    record.now += 61
    record.do(jobs.ripen)
    assert claim(record) == [1]


def test_an_add_with_a_known_key_answers_the_first_ids(record: Record) -> None:
    first = record.do(jobs.add, [record.job(), record.job()], "monday")
    again = record.do(jobs.add, [record.job(), record.job()], "monday")
    assert first == again
    assert record.one("select count(*) from job") == (2,)
    record.do(jobs.delete, [1, 2])
    with pytest.raises(Conflict, match="deleted"):
        record.do(jobs.add, [record.job()], "monday")


def test_a_key_on_the_document_belongs_to_its_owner(record: Record) -> None:
    first = record.do(jobs.add, [record.job(idempotency_key="k"), record.job()])
    again = record.do(jobs.add, [record.job(idempotency_key="k")])
    assert again == first[:1]  # type: ignore[index]


def test_many_adds_with_keys_of_their_own_are_one(record: Record) -> None:
    first = record.do(jobs.add, [record.job(idempotency_key=key) for key in "ab"])
    again = [record.job(idempotency_key=key) for key in "cbca"]
    plain = record.job()
    both = record.do(jobs.add, [*again[:2], plain, *again[2:]])
    assert both == [again[0].id, first[1], plain.id, again[0].id, first[0]]
    assert record.do(jobs.add, [record.job(idempotency_key="c")]) == [again[0].id]
    assert record.one("select count(*) from job") == (4,)
    with pytest.raises(Conflict, match="job 1 of 2: conflict: noop is active"):
        record.do(jobs.add, [record.job(idempotency_key="a"), record.job(idempotency_key="d", unless_active=True)])
    record.do(jobs.delete, [1])
    with pytest.raises(Conflict, match="some are deleted"):
        record.do(jobs.add, [record.job(idempotency_key="e"), record.job(idempotency_key="a")])
    assert record.one("select count(*) from job") == (3,)


def test_finish_writes_the_outcome_and_the_job_tells_its_history(record: Record) -> None:
    (id_,) = record.do(jobs.add, [record.job()])  # type: ignore[misc]
    claim(record)
    release(record, 1, "stopped")
    claim(record)
    finish(record, 1, return_code=0, message="done", output="the end")
    row = record.one("select state, progress, duration, return_code, message, output from job where seq = 1")
    assert row == ("SUCCESS", 100, 3, 0, "done", "the end")
    job = documents.job(record.connection, id_)
    assert job is not None
    assert job.holder is None
    history = [(e["kind"], e.get("attempt")) for e in documents.events(record.connection, job)]
    assert history == [("added", None), ("claimed", 1), ("stopped", 1), ("claimed", 2), ("success", 2)]


def test_a_success_shows_nothing_of_the_attempts_that_failed(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)
    record.do(jobs.release, [Released(1, 1, "failed", "ValueError: no", output="Traceback ...")])
    claim(record)
    finish(record, 1)
    assert record.one("select state, message, output from job where seq = 1") == ("SUCCESS", None, None)


def test_numbers_of_deleted_jobs_do_not_come_back(record: Record) -> None:
    record.do(jobs.add, [record.job(), record.job()])
    record.do(jobs.delete, [2])
    record.do(jobs.add, [record.job()])
    assert record.one("select max(seq) from job") == (3,)


def test_three_deaths_in_a_row_fail_a_job_and_say_how(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    for _ in range(3):
        claim(record)
        start(record, 1)
        release(record, 1, "died", detail="killed by signal 9 (SIGKILL)")
    state, message = record.one("select state, message from job where seq = 1")
    assert state == "FAILED"
    assert "3 times in a row" in str(message)
    assert "SIGKILL" in str(message)
    assert claim(record) == []


def test_progress_or_a_checkpoint_between_deaths_lets_a_job_go_on(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    for progress in (10, 20, 30, 40):
        claim(record)
        start(record, 1, changes={"progress": progress})
        release(record, 1, "died")
    assert record.one("select state, deaths from job where seq = 1") == ("QUEUED", 1)
    for _ in range(2):
        claim(record)
        start(record, 1, changes={"progress": 40})
        release(record, 1, "died")
    assert record.one("select state from job where seq = 1") == ("FAILED",)


def test_what_a_job_cannot_be_is_left_out_of_a_write(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    """One bad value must neither get into the record nor keep the rest from being heard."""
    record.do(jobs.add, [record.job(), record.job()])
    claim(record)
    bad = {"priority": 1000, "tags": "one", "id": "job/x", "state": "SUCCESS", "colour": "red", "execution-mode": None}
    start(record, 1, changes={**bad, "progress": 7, "status-message": None})
    columns = "state, priority, tags, mode, progress, begun, message"
    assert record.one(f"select {columns} from job where seq = 1") == ("RUNNING", 999, None, "push", 7, 1, None)
    assert not bad.keys() & msgspec.json.decode(str(record.one("select document from job where seq = 1")[0])).keys()
    assert len(caplog.records) == len(bad)
    start(record, 2, changes={"priority": 5, "state": "RUNNING"})
    assert record.one("select priority from job where seq = 2") == (5,)
    assert len(caplog.records) == len(bad)


def test_releases_by_the_living_count_neither_as_deaths_nor_as_failures(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    for why in ("unstarted", "stopped", "lost", "stopped", "lost"):
        claim(record)
        release(record, 1, why)
    assert record.one("select state, deaths, failures, attempt from job where seq = 1") == ("QUEUED", 0, 0, 5)


def test_a_retry_waits_its_delay_and_counts_a_failure(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)
    release(record, 1, "failed", delay=30, detail="ValueError: no")
    assert claim(record) == []
    record.now += 31
    record.do(jobs.ripen)
    assert claim(record) == [1]
    assert record.one("select failures from job where seq = 1") == (1,)
    assert record.one("select kind, detail from event") == ("raised", "ValueError: no")
    assert record.events(1) == [("raised", 1)]


def test_the_end_of_an_executor_counts_against_no_job(record: Record) -> None:
    record.do(jobs.add, [record.job(), record.job()])
    claim(record)
    start(record, 1)
    record.do(jobs.end_holds, ALICE, "its executor died")
    assert record.one("select deaths, begun from job where seq = 1") == (0, 1)
    assert record.one("select deaths, begun from job where seq = 2") == (0, 0)
    assert [record.events(seq) for seq in (1, 2)] == [[("lost", 1)], [("unstarted", 1)]]
    granted = record.do(jobs.claim, BOB, ("noop",), 2)
    assert [(job.resumed, job.alone) for job in granted] == [(True, False), (False, False)]  # type: ignore[attr-defined]


def test_a_death_beside_other_jobs_makes_a_suspect_and_counts_nothing(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    for attempt in range(1, 5):
        (job,) = record.do(jobs.claim, ALICE, ("noop",), 1)  # type: ignore[misc]
        assert job.alone == (attempt > 1)
        record.do(jobs.release, [Released(1, attempt, "died", "exit code 7", beside=3)])
    assert record.one("select state, deaths from job where seq = 1") == ("QUEUED", 0)


def test_a_suspect_is_granted_alone_in_the_very_transaction_of_its_death(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)

    def both(tx: Transaction) -> list[Granted]:
        jobs.release(tx, [Released(1, 1, "died", "exit code 7", beside=1)])
        return jobs.claim(tx, ALICE, ("noop",), 1)

    (job,) = record.do(both)  # type: ignore[misc]
    assert job.alone


def test_a_checkpoint_comes_back_with_the_next_attempt(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)
    start(record, 1, checkpoint=b'{"at":7}')
    release(record, 1, "stopped")
    (job,) = record.do(jobs.claim, BOB, ("noop",), 1)  # type: ignore[misc]
    assert bytes(job.checkpoint) == b'{"at":7}'
    assert job.resumed


def test_who_saves_a_checkpoint_has_begun_though_nobody_has_said_so(record: Record) -> None:
    """An executor tells the beginning of what lasts a while; it may die before that, and after the checkpoint."""
    record.do(jobs.add, [record.job()])
    claim(record)
    item = Write(1, 1, checkpoint=b'{"at":7}')
    record.do(lambda tx: jobs.write(tx, grants.held(tx, ALICE), [item]))
    record.do(jobs.end_holds, ALICE, "it died")
    assert ("lost", 1) in record.events(1)
    (job,) = record.do(jobs.claim, BOB, ("noop",), 1)  # type: ignore[misc]
    assert bytes(job.checkpoint) == b'{"at":7}'
    assert job.resumed


def test_log_lines_that_are_sent_twice_are_kept_once(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)
    for _ in range(2):
        start(record, 1, log=[(1, record.now, "info", "hello")])
    assert record.one("select count(*), max(text) from log") == (1, "hello")


def test_final_is_final(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    record.do(jobs.cancel, [1], "by user/jane")
    with pytest.raises(Conflict, match="edit is not allowed in final state"):
        record.do(jobs.edit, 1, {"state": "QUEUED"})
    record.do(jobs.cancel, [1])
    assert record.events(1) == [("canceled", None)]
    assert claim(record) == []


def test_a_history_does_not_go_back_in_time_when_the_clock_does_and_the_server_starts_again(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)
    release(record, 1, "stopped")
    record.now -= 3600
    transaction._last_event = 0  # as after a start
    claim(record)
    release(record, 1, "stopped")
    claim(record)
    row: Any = record.one("select id from job")
    job = documents.job(record.connection, row[0])
    assert job is not None
    told = documents.events(record.connection, job)
    assert [event["kind"] for event in told] == ["added", *2 * ("claimed", "stopped"), "claimed"]
    assert [event["at"] for event in told] == sorted(event["at"] for event in told)


def test_only_the_holder_writes_what_is_its_own(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    claim(record)
    with pytest.raises(Conflict, match="only the executor that holds it"):
        record.do(jobs.edit, 1, {"progress": 3})
    with pytest.raises(Conflict, match="claim 2 does not hold"):
        record.do(jobs.edit, 1, {"progress": 3}, 2)
    record.do(jobs.edit, 1, {"name": "a name"})
    record.do(jobs.edit, 1, {"progress": 3}, 1)
    assert record.one("select progress from job where seq = 1") == (3,)
    release(record, 1, "stopped")
    with pytest.raises(Conflict):
        record.do(jobs.edit, 1, {"progress": 4}, 1)


def test_a_job_set_running_by_hand_is_detached_and_can_be_finished_by_hand(record: Record) -> None:
    record.do(jobs.add, [record.job()])
    record.do(jobs.edit, 1, {"state": "RUNNING"})
    assert claim(record) == []
    record.do(jobs.edit, 1, {"state": "SUCCESS", "return-code": 0})
    assert record.one("select state, progress, attempt, return_code from job where seq = 1") == ("SUCCESS", 100, 1, 0)


def test_cancel_and_delete_tell_the_holder(record: Record) -> None:
    record.do(jobs.add, [record.job(), record.job()])
    claim(record)
    for verb, seq in ((jobs.cancel, 1), (jobs.delete, 2)):
        tx = record()
        verb(tx, [seq])  # type: ignore[operator]
        assert tx.ended == {ALICE}


def test_unknown_actions_fail_with_the_reason(record: Record) -> None:
    record.do(jobs.add, [record.job(action="nobody_has_it")])
    record.do(jobs.fail_unknown, "nobody_has_it", not_implemented("nobody_has_it", []), 10)
    assert record.one("select state, message from job") == ("FAILED", "Not implemented action ID: nobody_has_it")


def test_of_an_action_that_nobody_has_the_one_that_was_meant_is_named() -> None:
    said = "Not implemented action ID: checksum_tree (did you mean checksum-tree?)"
    assert not_implemented("checksum_tree", ["checksum-tree", "noop"]) == said
