"""The slots of a worker process, in this one."""

import threading
import time
from typing import Any

import pytest
from msgspec import Raw

from job_engine import Job, JobUpdateError, action
from job_engine.actions.registry import Actions
from job_engine.executor import slot as module
from job_engine.executor.attempt import Attempt, Surroundings
from job_engine.executor.board import Board
from job_engine.executor.messages import RawReport
from job_engine.executor.slot import Slots
from job_engine.job.attend import Granted
from tests.integration.running import WITHIN, eventually


class Told:
    """A sender that keeps what it is told."""

    def __init__(self) -> None:
        self.ends: dict[int, str] = {}
        self.unbegun: list[int] = []

    def touched(self, attempt: Attempt) -> None:
        """A write."""

    def ended(self, attempt: Attempt, which: str, end: Raw | None) -> None:
        self.ends[attempt.handle] = which

    def report(self, report: RawReport) -> None:
        self.unbegun += report.unbegun


@pytest.fixture
def board() -> Board:
    board = Board(2)
    board.set_good_until(time.monotonic() + WITHIN, time.monotonic() + WITHIN)
    return board  # its slots keep it


def slots(board: Board, told: Told, *actions: Any) -> Slots:
    registry = Actions()
    for each in actions:
        registry.add(each)
    made = Slots(registry, board, told, lambda job, attempt: None)
    made.start()
    return made


def granted(seq: int, name: str) -> tuple[int, Granted]:
    return seq, Granted(seq, 1, f"job/{seq}", name, Raw(b'{"version":2}'))


def test_an_interruption_between_the_inbox_and_the_start_is_not_missed(board, monkeypatch) -> None:
    began: list[str] = []
    taken, gate = threading.Event(), threading.Event()

    def attempt(handle: int, *given: Any) -> Attempt:
        if handle == 1:  # its slot's thread stands still, right after it took the job
            taken.set()
            assert gate.wait(WITHIN)
        return Attempt(handle, *given)

    monkeypatch.setattr(module, "Attempt", attempt)

    @action("noted")
    def noted(job: Job) -> None:
        began.append(job.id)

    told = Told()
    made = slots(board, told, noted)
    made.add([granted(1, "noted"), granted(2, "noted")])
    assert taken.wait(WITHIN)
    eventually(lambda: 2 in told.ends)
    made.interrupt(1, "canceled")
    gate.set()
    eventually(lambda: 1 in told.ends or told.unbegun)
    assert (told.unbegun, began) == ([1], ["job/2"])


def test_a_thread_that_an_action_left_behind_keeps_no_checkpoint_and_does_not_wait(board) -> None:
    jobs: list[Job] = []

    @action("leaves")
    def leaves(job: Job) -> None:
        jobs.append(job)

    told = Told()
    slots(board, told, leaves).add([granted(1, "leaves")])
    eventually(lambda: told.ends)
    with pytest.raises(JobUpdateError, match="final"):
        jobs[0].checkpoint = 1


def test_a_checkpoint_that_was_not_recorded_is_an_error(board) -> None:
    _, grant = granted(1, "any")
    canceled = Surroundings(board, lambda it: it.interrupted.set("canceled"), lambda job, attempt: None)
    attempt = Attempt(1, grant, canceled)
    job = Job(grant, attempt)
    with pytest.raises(JobUpdateError, match="canceled"):
        job.checkpoint = 1
    assert job.checkpoint is None
