"""Executors that say something of jobs that they do not hold any more, spoken by hand to a real server."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from job_engine.job.errors import Conflict
from tests.faults.history import attempts
from tests.faults.short_up import Http
from tests.integration.engine_processes import Engine


@pytest.fixture
def engine(tmp_path: Path):
    engine = Engine(tmp_path, period=300.0)
    yield engine
    engine.close()


class Spoken:
    """An executor."""

    def __init__(self, engine: Engine, name: str, replaces: str = "") -> None:
        self.name = name
        self._http = Http({**engine.admin, "url": engine.url})
        self._n = 0
        hello: dict[str, Any] = {"name": name, "host": "here", "pid": 1, "version": "1", "processes": 1, "slots": 1}
        self._hello = {**hello, "actions": ["held"], **({"replaces": replaces} if replaces else {})}

    def attend(self, **said: Any) -> dict[str, Any]:
        self._n += 1
        said = {"n": self._n, **said, **({"hello": self._hello} if self._n == 1 else {})}
        status, answer = self._http.call("POST", f"executor/{self.name}/attend", said)
        assert status == 200, answer
        return answer

    def claim(self) -> list[int]:
        (granted,) = self.attend(free=1)["jobs"]
        return granted[:2]

    def put(self, id_: str, claim: int, changes: dict[str, Any]) -> int:
        return self._http.call("PUT", id_, changes, Job_Hold=f"{id_} {claim}")[0]


def late(seq: int, claim: int) -> list[dict[str, Any]]:
    """All that an executor can say of a hold, but for its log, which is kept also after the hold has ended."""
    return [
        {"finished": [[seq, claim, "FAILED", 1.0, 2.0, 7, "too late"]]},
        {"released": [[seq, claim, "failed", "too late"]]},
        {"released": [[seq, claim, "died", "too late"]]},
        {"writes": [[seq, claim, 1.0, {"progress": 77, "status-message": "too late"}, {"late": True}]]},
    ]


def what_there_is(engine: Engine, job: Any) -> tuple[Any, ...]:
    log = [line.text for line in engine.client.logs(job).lines]
    return {**job.refresh().document, "updated": ""}, engine.events(job), log


def test_what_is_said_of_an_older_attempt_changes_nothing(engine: Engine) -> None:
    job = engine.client.submit("held")
    first = Spoken(engine, "first")
    seq, claim = first.claim()
    first.attend(holds=[[seq, claim]], writes=[[seq, claim, 1.0, {"progress": 10}, {"at": 1}]])
    second = Spoken(engine, "second", replaces="first")
    again, second_claim = second.claim()
    assert again == seq
    assert job.refresh().attempt == 2
    before = what_there_is(engine, job)
    for said in late(seq, claim):
        answer = first.attend(holds=[[seq, claim]], **said)
        assert answer["interrupt"] == [[seq, claim, "lost"]], "and it is told"
        assert "jobs" not in answer
        assert what_there_is(engine, job) == before, said
    assert first.put(job.id, claim, {"progress": 55}) == 409

    # the same executor holds it again: what it said of its former hold, repeated late, is not of this one
    second.attend(released=[[seq, second_claim, "unstarted"]])
    again, third_claim = second.claim()
    assert again == seq
    before = what_there_is(engine, job)
    for said in late(seq, second_claim):
        second.attend(holds=[[seq, third_claim]], **said)
        assert what_there_is(engine, job) == before, said
    assert second.put(job.id, second_claim, {"progress": 55}) == 409
    assert second.put(job.id, third_claim, {"progress": 55}) == 200
    second.attend(holds=[], finished=[[seq, third_claim, "SUCCESS", 1.0, 2.0]])
    assert [attempt.end for attempt in attempts(engine.events(job))] == ["lost", "unstarted", "success"]


def test_what_is_granted_or_told_in_a_lost_answer_is_so_once(engine: Engine) -> None:
    jobs = engine.client.submit_many("held", [None] * 3)
    executor = Spoken(engine, "executor")
    lost = executor.attend(free=2)["jobs"]
    again = executor.attend(free=2)["jobs"]  # it has heard of no job, and holds none
    assert [granted[:3] for granted in again] == [granted[:3] for granted in lost]
    first, second = (granted[:2] for granted in again)
    said = {"finished": [[*first, "SUCCESS", 1.0, 2.0]], "released": [[*second, "failed", "once"]]}
    executor.attend(**said)
    before = [what_there_is(engine, job) for job in jobs]
    for _ in range(2):
        executor.attend(**said)
        assert [what_there_is(engine, job) for job in jobs] == before
    assert [job.document["state"] for job in jobs] == ["SUCCESS", "QUEUED", "QUEUED"]
    assert jobs[1].document["failures"] == 1


@pytest.mark.parametrize("state", ["SUCCESS", "FAILED", "CANCELED"])
def test_final_is_final(engine: Engine, state: str) -> None:
    job = engine.client.submit("held")
    executor = Spoken(engine, "executor")
    seq, claim = executor.claim()
    if state == "CANCELED":
        job.cancel()
    else:
        executor.attend(finished=[[seq, claim, state, 1.0, 2.0, 0, "done"]])
    before = what_there_is(engine, job)
    assert before[0]["state"] == state
    for said in late(seq, claim):
        executor.attend(holds=[[seq, claim]], **said)
        assert what_there_is(engine, job) == before, said
    changes = [{"state": other} for other in ("QUEUED", "RUNNING", "SUCCESS", "FAILED", "CANCELED")]
    for change in [*changes, {"progress": 1}, {"status-message": "changed"}, {"tags": ["changed"]}, {"priority": 1}]:
        assert executor.put(job.id, claim, change) == 409, change
        assert Http({**engine.admin, "url": engine.url}).call("PUT", job.id, change)[0] == 409, change
        assert what_there_is(engine, job) == before, change
    with contextlib.nullcontext() if state == "CANCELED" else pytest.raises(Conflict, match="ended already"):
        engine.client.cancel(job)
    assert what_there_is(engine, job) == before
    again = engine.client.retry(job)
    assert again.id != job.id
    assert again.refresh().document["retry-of"] == job.id
    assert what_there_is(engine, job) == before
    assert executor.claim()[0] != seq
