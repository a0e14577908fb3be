"""The exchange between executors and the record, in every order Hypothesis can think of: answers get lost, executors
fall silent and come back, jobs are canceled and edited meanwhile, and backups are put back."""

import sqlite3
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from job_engine.job.attend import Attend, Finished, Released
from job_engine.job.states import FINAL
from job_engine.store import documents, jobs
from job_engine.store.exchanges import Exchanges
from tests.unit.store.record import Record

EXECUTORS = ("executor/alice", "executor/bob")
executors = st.sampled_from(EXECUTORS)


class Exchange(RuleBasedStateMachine):
    """What each executor believes, beside the record."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record()
        self.exchanges = Exchanges(SimpleNamespace(before_commit=[]))  # type: ignore[arg-type]
        self.holds: dict[str, dict[int, int]] = {name: {} for name in EXECUTORS}
        self.finished: dict[str, list[Finished]] = {name: [] for name in EXECUTORS}
        self.released: dict[str, list[Released]] = {name: [] for name in EXECUTORS}
        self.granted: dict[tuple[int, int], str] = {}  # hold → who got it first
        self.final: dict[int, tuple[object, ...]] = {}
        self.n = 0
        self.backup: sqlite3.Connection | None = None

    @rule(priority=st.sampled_from([5, 50, 500]))
    def add(self, priority: int) -> None:
        self.record.do(jobs.add, [self.record.job(priority=priority)])

    @rule(name=executors, free=st.integers(0, 3), answer_is_lost=st.booleans())
    def attend(self, name: str, free: int, answer_is_lost: bool) -> None:
        self.n += 1
        said = Attend(
            n=self.n,
            free=free,
            holds=list(self.holds[name].items()),
            finished=self.finished[name],
            released=self.released[name],
        )
        answer = self.record.do(self.exchanges.attend, name, ["noop"], said, None)
        for job in answer.jobs:  # type: ignore[attr-defined]
            first = self.granted.setdefault((job.seq, job.claim), name)
            assert first == name, "one claim was granted to two executors"
        if answer_is_lost:
            return
        self.finished[name], self.released[name] = [], []
        for job in answer.jobs:  # type: ignore[attr-defined]
            self.holds[name][job.seq] = job.claim
        for seq, attempt, _ in answer.interrupt:  # type: ignore[attr-defined]
            if self.holds[name].get(seq) == attempt:
                del self.holds[name][seq]

    @precondition(lambda self: any(self.holds.values()))
    @rule(name=executors, data=st.data(), success=st.booleans())
    def end(self, name: str, data: st.DataObject, success: bool) -> None:
        if not self.holds[name]:
            return
        seq = data.draw(st.sampled_from(sorted(self.holds[name])))
        attempt = self.holds[name].pop(seq)
        if success:
            now = self.record.now
            self.finished[name].append(Finished(seq, attempt, "SUCCESS", now, now, message=f"by {attempt}"))
        else:
            self.released[name].append(Released(seq, attempt, "stopped"))

    @rule(name=executors)
    def fall_silent(self, name: str) -> None:
        self.record.do(jobs.end_holds, name, "its executor was not heard of")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        (last,) = self.record.one("select count(*) from job")
        if last:
            self.record.do(jobs.cancel, [data.draw(st.integers(1, int(str(last))))])

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        running = self.record.connection.execute("select seq, claim from job where state = 'RUNNING'").fetchall()
        if running:
            seq, claim = data.draw(st.sampled_from(running))
            self.record.do(jobs.edit, seq, {"state": "QUEUED"}, claim)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        there = [seq for (seq,) in self.record.connection.execute("select seq from job")]
        if there:
            self.record.do(jobs.delete, [data.draw(st.sampled_from(there))])

    @rule()
    def back_up(self) -> None:
        if self.backup is not None:
            self.backup.close()
        self.backup = sqlite3.connect(":memory:", isolation_level=None)
        self.record.connection.backup(self.backup)

    @precondition(lambda self: self.backup is not None)
    @rule()
    def put_back(self) -> None:
        assert self.backup is not None
        self.record.put_back(self.backup)
        self.backup = None
        self.exchanges = Exchanges(SimpleNamespace(before_commit=[]))  # type: ignore[arg-type]
        self.final.clear()

    @invariant()
    def what_waits_has_no_holder_and_what_runs_has_one(self) -> None:
        wrong = "(state = 'QUEUED' and holder is not null) or (state = 'RUNNING' and holder is null)"
        assert self.record.one(f"select count(*) from job where {wrong}") == (0,)

    @invariant()
    def final_is_final_and_written_by_the_last_attempt(self) -> None:
        rows = self.record.connection.execute("select seq, state, message, claim, ended from job").fetchall()
        for seq, state, message, attempt, *_ in rows:
            if state in FINAL:
                row = (state, message, attempt)
                assert self.final.setdefault(seq, row) == row
                assert state != "SUCCESS" or message == f"by {attempt}", "a write of an older attempt was accepted"

    def teardown(self) -> None:
        """Without further faults every job ends, in one event."""
        (count,) = self.record.one("select count(*) from job")
        for _ in range(3 * int(str(count)) + 3):
            for name in EXECUTORS:
                for seq in list(self.holds[name]):
                    now = self.record.now
                    attempt = self.holds[name].pop(seq)
                    self.finished[name].append(Finished(seq, attempt, "SUCCESS", now, now, message=f"by {attempt}"))
                self.attend(name, 3, False)
        self.final_is_final_and_written_by_the_last_attempt()
        assert self.record.one("select count(*) from job where state in ('QUEUED', 'RUNNING')") == (0,)
        for (id_,) in self.record.connection.execute("select id from job").fetchall():
            job = documents.job(self.record.connection, id_)
            assert job is not None
            history = [event["kind"].upper() for event in documents.events(self.record.connection, job)]
            assert [kind for kind in history if kind in FINAL] == [job.document["state"]]
        self.record.connection.close()
        if self.backup is not None:
            self.backup.close()


TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=60, stateful_step_count=30)


def test_what_an_older_attempt_says_is_refused_and_its_executor_is_told() -> None:
    record = Record()
    exchanges = Exchanges(SimpleNamespace(before_commit=[]))  # type: ignore[arg-type]
    record.do(jobs.add, [record.job()])
    alice, bob = EXECUTORS

    def attend(name: str, **said: object) -> object:
        return record.do(exchanges.attend, name, ["noop"], Attend(n=1, **said), None)  # type: ignore[arg-type]

    attend(alice, free=1)
    record.do(jobs.end_holds, alice, "its executor was not heard of")
    attend(bob, free=1)
    late = Finished(1, 1, "SUCCESS", record.now, record.now)
    answer = attend(alice, finished=[late], holds=[(1, 1)])
    assert answer.interrupt == [(1, 1, "lost")]  # type: ignore[attr-defined]
    assert record.one("select state, holder, attempt from job") == ("RUNNING", bob, 2)
    attend(bob, finished=[late], holds=[(1, 2)])
    assert record.one("select state from job") == ("RUNNING",), "the attempt counts, not only who it is"
    attend(bob, finished=[Finished(1, 2, "FAILED", record.now, record.now)])
    assert record.one("select state from job") == ("FAILED",)
