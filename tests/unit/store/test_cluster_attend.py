"""``attend`` in a cluster: holds belong to members, and what is said of an attempt counts whoever holds it."""

from types import SimpleNamespace
from typing import Any

import pytest

from job_engine.job.attend import Answer, Attend, Claim, Finished, Hello, Released, Write
from job_engine.store import jobs, settings
from job_engine.store.exchanges import Exchanges
from tests.unit.store.record import Record

UUID = "0192e1c4"
OLD, NEW, OTHER = "executor-00000000000000aa", "executor-00000000000000bb", "executor-00000000000000cc"


class Exchange:
    """One executor's attends on a record, and how many jobs there are."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.exchanges = Exchanges(SimpleNamespace(before_commit=[]))
        self.ids: list[str] = []
        self.n = 0

    def add(self, count: int = 1) -> None:
        self.ids += self.record.do(jobs.add, [self.record.job() for _ in range(count)])

    def claims(self, *seqs: int) -> list[Claim]:
        return [Claim(f"entry-999-{seq:010}", self.ids[seq - 1]) for seq in seqs]

    def says(self, member: str = OLD, actions: object = ("noop",), future: object = None, **said: object) -> Answer:
        self.n += 1
        attend = Attend(n=self.n, member=member, **said)
        answer: Any = self.record.do(self.exchanges.attend, UUID, actions, attend, future)
        return answer

    def rows(self) -> list[tuple[object, ...]]:
        return self.record.connection.execute("select state, holder, attempt from job order by seq").fetchall()


@pytest.fixture
def exchange(record: Record) -> Exchange:
    return Exchange(record)


def done(seq: int, attempt: int = 1) -> Finished:
    return Finished(seq, attempt, "SUCCESS", 1.0, 2.0, message="done")


def test_finishes_and_claims_go_in_one_attend(exchange: Exchange) -> None:
    exchange.add(3)
    first = exchange.says(claims=exchange.claims(1, 2))
    assert [(job.seq, job.attempt, job.entry) for job in first.jobs] == [
        (1, 1, "entry-999-0000000001"),
        (2, 1, "entry-999-0000000002"),
    ]
    second = exchange.says(finished=[done(1)], holds=[(2, 1)], claims=exchange.claims(3))
    assert [job.seq for job in second.jobs] == [3], "what is listed or was claimed just now is not granted again"
    assert exchange.rows() == [("SUCCESS", OLD, 1), ("RUNNING", OLD, 1), ("RUNNING", OLD, 1)]


def test_each_claim_has_an_answer_at_once(exchange: Exchange) -> None:
    exchange.add()
    exchange.says(OTHER, claims=exchange.claims(1))
    parked: object = SimpleNamespace(done=lambda: False)
    answer = exchange.says(claims=exchange.claims(1), future=parked)
    assert answer.refused == [("entry-999-0000000001", "held")]
    assert exchange.says(future=parked) is None, "nothing to say: it is parked"


def test_what_was_granted_in_a_lost_answer_is_granted_again_with_its_entry(exchange: Exchange) -> None:
    exchange.add(2)
    exchange.says(claims=exchange.claims(1, 2))
    again = exchange.says(holds=[(2, 1)])
    assert [(job.seq, job.attempt, job.entry) for job in again.jobs] == [(1, 1, "entry-999-0000000001")]
    assert exchange.says(holds=[(2, 1)], claims=exchange.claims(1)).jobs == again.jobs, "and once, when claimed as well"
    exchange.says(holds=[(2, 1)], released=[Released(1, 1, "unstarted")])
    assert exchange.rows()[0] == ("QUEUED", None, 1)


def test_after_a_lost_session_the_new_member_says_what_became_of_the_old_ones_jobs(exchange: Exchange) -> None:
    exchange.add(4)
    exchange.says(claims=exchange.claims(1, 2, 3, 4))
    answer = exchange.says(
        NEW,
        holds=[(3, 1)],
        finished=[done(1)],
        released=[Released(2, 1, "lost")],
        writes=[Write(seq, 1, changes={"progress": 7}) for seq in (3, 4)],
    )
    assert exchange.rows()[:3] == [("SUCCESS", OLD, 1), ("QUEUED", None, 1), ("RUNNING", OLD, 1)]
    assert exchange.record.one("select progress from job where seq = 3") == (7,)
    assert answer.interrupt == [], "what the old member holds still stands"
    assert answer.jobs == [], "and is not the new one's: the fourth is left to the relay"


def test_a_word_on_an_attempt_that_nobody_holds_any_more_is_not_heard(exchange: Exchange) -> None:
    exchange.add(3)
    exchange.says(claims=exchange.claims(1, 2, 3))
    exchange.record.do(jobs.end_holds, OLD, "its member is gone")
    exchange.says(OTHER, claims=exchange.claims(1))
    exchange.says(OTHER, holds=[(1, 2)], claims=exchange.claims(3))
    exchange.says(OTHER, holds=[(1, 2)], released=[Released(3, 2, "detached")])
    late = exchange.says(
        NEW,
        holds=[(1, 1)],
        finished=[done(2), done(3, 2)],
        released=[Released(1, 1, "lost")],
        writes=[Write(1, 1, changes={"progress": 9})],
    )
    assert late.interrupt == [(1, 1, "lost")]
    assert exchange.rows() == [("RUNNING", OTHER, 2), ("QUEUED", None, 1), ("RUNNING", None, 2)]
    assert exchange.record.one("select max(progress) from job") == (0,)


def test_a_detached_job_is_no_hold_and_no_death(exchange: Exchange) -> None:
    exchange.add()
    exchange.says(claims=exchange.claims(1))
    exchange.says(writes=[Write(1, 1, started=1.0)], holds=[(1, 1)])
    assert exchange.says(released=[Released(1, 1, "detached")]) == Answer()
    exchange.record.do(jobs.end_holds, OLD, "its member is gone")
    assert exchange.rows() == [("RUNNING", None, 1)]
    assert exchange.record.one("select deaths, entry from job") == (0, None)
    assert exchange.says(holds=[(1, 1)]).interrupt == [(1, 1, "lost")]


@pytest.mark.parametrize("held_by", [OLD, NEW])
def test_a_parked_attend_is_woken_by_the_end_of_a_hold_of_its_member_only(exchange: Exchange, held_by: str) -> None:
    exchange.add(2)
    exchange.says(held_by, claims=exchange.claims(1))
    parked = SimpleNamespace(done=lambda: False)
    assert exchange.says(OLD, holds=[(1, 1)], future=parked) is None
    tx = exchange.record()
    tx.ready = True
    exchange.exchanges._serve(tx)
    assert tx.answers == [], "jobs come from ZooKeeper, not to who is parked"
    jobs.cancel(tx, [1])
    exchange.exchanges._serve(tx)
    woken = [(parked, Answer(interrupt=[(1, 1, "canceled")]))] if held_by == OLD else []
    assert tx.answers == woken


def test_who_has_not_said_what_it_can_run_is_to_ask_again(exchange: Exchange) -> None:
    exchange.add()
    answer = exchange.says(actions=None, claims=exchange.claims(1))
    assert answer.refused == [("entry-999-0000000001", "held")]
    assert exchange.record.one("select count(*) from setting where name glob 'lacked*'") == (0,)


def test_the_longest_session_timeout_is_kept(exchange: Exchange) -> None:
    for timeout in (4.0, 30.0, 10.0, 0.0):
        hello = Hello(name="x", host="x", pid=1, version="0", processes=1, slots=1, actions=[], session_timeout=timeout)
        exchange.says(hello=hello)
    assert settings.number(exchange.record.connection, settings.LONGEST_SESSION) == 30.0


def test_an_end_that_is_said_twice_is_one_and_a_finish_comes_before_a_release(exchange: Exchange) -> None:
    """As when a grant was repeated to an executor that had just finished the job, and took it for a late one."""
    exchange.add(3)
    exchange.says(claims=exchange.claims(1, 2, 3))
    exchange.says(
        finished=[done(1), Finished(1, 1, "FAILED", 1.0, 2.0)],
        released=[Released(1, 1, "unstarted"), Released(2, 1, "stopped"), Released(2, 1, "unstarted")],
        holds=[(3, 1)],
    )
    assert exchange.rows() == [("SUCCESS", OLD, 1), ("QUEUED", None, 1), ("RUNNING", OLD, 1)]
    assert exchange.record.events(2) == [("stopped", 1)]
