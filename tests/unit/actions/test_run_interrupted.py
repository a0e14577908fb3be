"""An action that is interrupted ends in a defined outcome, and is cleaned up after."""

import asyncio

import pytest

from job_engine import Failed, Interrupted, Job, action
from job_engine.actions.action import Action
from job_engine.actions.run import time_limit
from job_engine.testing import run_action
from tests.unit.actions.samples import job_of


@pytest.mark.parametrize("reason", ["stopped", "lost", "canceled"])
def test_an_action_that_returns_because_it_was_interrupted_is_released(reason):
    @action
    def looks(job: Job):
        for n in range(100):
            if job.interrupted:
                return "partial"
            job.set_progress(n)
        return "all"

    ran = run_action(looks, interrupt_at=20, interrupt_reason=reason)
    assert (ran.state, ran.message, ran.result) == ("QUEUED", reason, None)
    assert ran.progress[-1] == 20


def test_an_action_that_did_not_notice_has_done_its_work():
    @action
    def does_not_look(job: Job):
        job.set_progress(50)
        return "all"

    ran = run_action(does_not_look, interrupt_at=20)
    assert (ran.state, ran.result) == ("SUCCESS", "all")


def test_an_action_that_writes_after_its_hold_has_ended_is_released():
    @action
    def goes_on(job: Job):
        job.set_progress(30)
        job.set_progress(40)

    ran = run_action(goes_on, interrupt_at=20, interrupt_reason="canceled")
    assert (ran.state, ran.message, ran.progress) == ("QUEUED", "canceled", [30])


def test_an_action_may_raise_interrupted_or_anything_because_of_it():
    @action
    def raises(job: Job):
        job.set_progress(50)
        raise Interrupted

    @action(retries=0)
    def breaks(job: Job):
        job.set_progress(50)
        raise RuntimeError("stopped early" if job.interrupted else "")

    assert run_action(raises, interrupt_at=1).state == "QUEUED"
    assert run_action(breaks, interrupt_at=1).state == "QUEUED"


def test_an_async_action_is_cancelled():
    @action
    async def sleeps(job: Job):
        job.set_progress(1)
        await asyncio.sleep(3600)

    @action
    async def catches(job: Job):
        try:
            job.set_progress(1)
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "partial"

    for each in (sleeps, catches):
        ran = run_action(each, interrupt_at=1)
        assert (ran.state, ran.message) == ("QUEUED", "stopped")


def test_a_verdict_given_while_stopping_stands():
    @action
    def fails(job: Job):
        job.set_progress(50)
        if job.interrupted:
            raise Failed("half of it is broken")

    assert run_action(fails, interrupt_at=1).message == "half of it is broken"


def test_a_timeout_is_a_failure():
    @action(timeout="10m", retries=1, jitter=False)
    def slow(job: Job):
        job.set_progress(1)
        return job.interrupted.wait(0)

    ran = run_action(slow, interrupt_at=1, interrupt_reason="overdue")
    assert (ran.state, ran.retry_after, ran.message) == ("QUEUED", 2, "timed out after 600 s")
    ran = run_action(slow, interrupt_at=1, interrupt_reason="overdue", failures=1)
    assert (ran.state, ran.return_code, ran.message) == ("FAILED", 1, "timed out after 600 s")


def test_time_limit():
    limited = Action(lambda: 1, "x", timeout="2m")
    assert time_limit(limited, job_of()) == 120
    assert time_limit(limited, job_of(timeout=5)) == 5
    assert time_limit(limited, job_of(timeout=0)) is None
    assert time_limit(Action(lambda: 1, "x"), job_of()) is None
    assert time_limit(None, job_of()) is None


def test_cleanup_runs_after_an_interruption_only():
    cleaned = []

    def of_function(job):
        cleaned.append(job.id)

    @action(cleanup=of_function)
    def looks(job: Job):
        job.set_progress(50)
        return None if job.interrupted else 1

    class Looks:
        def __init__(self, job):
            self.job = job

        def do_work(self):
            self.job.set_progress(50)
            return 0 if not self.job.interrupted else 1

        async def cleanup(self):
            print("tidied")
            cleaned.append(self)

    cls = action(Looks)
    assert run_action(looks).state == "SUCCESS"
    assert run_action(cls).state == "SUCCESS"
    assert cleaned == []
    run_action(looks, interrupt_at=1)
    ran = run_action(cls, interrupt_at=1)
    assert len(cleaned) == 2
    assert ran.log == [("INFO", "tidied")]


def test_a_broken_cleanup_is_logged():
    def breaks(job):
        raise OSError("in use")

    @action(cleanup=breaks)
    def looks(job: Job):
        job.set_progress(50)
        return None if job.interrupted else 1

    ran = run_action(looks, interrupt_at=1)
    assert ran.state == "QUEUED"
    assert ran.log[0][1].startswith("cleanup failed: Traceback")
    assert ran.log[-1] == ("WARNING", "OSError: in use")
