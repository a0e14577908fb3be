"""What action authors get for their own tests."""

import pytest

from job_engine import Invalid, Job, JobEngineError, action
from job_engine.testing import run_action


@action
def count(job: Job, to: int):
    start = job.checkpoint or 0
    for n in range(start, to):
        job.logger.info("at %d", n)
        job.checkpoint = n + 1
        job.set_progress(100 * (n + 1) // to)
        if job.interrupted:
            return None
    job.set_status_message(f"counted from {start}")
    return {"attempt": job.attempt, "resumed": job.resumed}


def test_a_whole_run():
    ran = run_action(count, to=4)
    assert (ran.state, ran.result, ran.message) == ("SUCCESS", {"attempt": 1, "resumed": False}, "counted from 0")
    assert ran.progress == [25, 50, 75, 100]
    assert ran.checkpoints == [1, 2, 3, 4]
    assert ran.log == [("INFO", f"at {n}") for n in range(4)]
    assert ran.output == "at 0\nat 1\nat 2\nat 3"


def test_interrupted_and_resumed():
    first = run_action(count, to=4, interrupt_at=50)
    assert (first.state, first.result, first.checkpoint) == ("QUEUED", None, 2)
    second = run_action(count, to=4, checkpoint=first.checkpoint, attempt=2)
    assert (second.result, second.message) == ({"attempt": 2, "resumed": True}, "counted from 2")
    assert second.progress == [75, 100]


def test_what_the_job_has():
    @action
    def looks(job: Job):
        return [job.target_resource_href, job.api["x"], job.tags, job.failures, job.nuvlaedge_shared_path]

    ran = run_action(
        looks, target="a/1", api={"x": 1}, document={"tags": ["t"]}, failures=2, nuvlaedge_shared_path="/srv"
    )
    assert ran.result == ["a/1", 1, ["t"], 2, "/srv"]


def test_no_api():
    @action
    def uses(job: Job):
        return job.api.get("user/1")

    ran = run_action(uses)
    assert ran.message.startswith(JobEngineError.__name__)
    assert "pass one" in ran.message


def test_wrong_use():
    with pytest.raises(Invalid, match="decorate it"):
        run_action(print)
    with pytest.raises(Invalid, match="either"):
        run_action(count, payload={"to": 1}, to=1)
