"""Upstream's outcome table, row by row, once a job runs: on a real queue and a server that looks like Nuvla's."""

from typing import Any

import pytest
from msgspec import Raw

from job_engine.executor.sources import nuvla_job, nuvla_watch
from tests.integration.nuvla.doings import added, answering, failed, finish, write
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import until
from tests.integration.sources.playing import Play


def test_what_is_written_of_a_job_that_runs(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        finish(executor, held, result=Raw(b"{}"))
        await until(place.clean, "the entry going")
        assert place.edits(id_) == [
            {"state": "RUNNING"},
            {"state": "SUCCESS", "return-code": 0},
        ]
        id_ = await added(place)
        (held,) = await executor.grant()
        finish(executor, held, "FAILED", None, message="why", output="one line")
        await until(place.clean, "the entry going")
        assert place.edits(id_)[1:] == [{"state": "FAILED", "status-message": "why", "output": "one line"}]

    play(scene)


def test_progress_is_written_now_and_then(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla_job, "SECONDS_BETWEEN_WRITES", 3600.0)

    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        for progress in range(1, 100):
            write(executor, held, progress=progress, status_message=f"step {progress}", not_before="never sent")
        await until(lambda: len(place.edits(id_)) == 2, "the first of it")
        for progress in (5, 6):
            write(executor, held, progress=progress, nested_jobs=["job/1"])
            await until(lambda: not executor.holds.writes, "the source hearing it")
        finish(executor, held)
        await until(place.clean, "the entry going")
        edits = place.edits(id_)
        assert edits[1] == {"progress": 99, "status-message": "step 99"}
        assert edits[2:] == [{"progress": 6, "nested-jobs": ["job/1"], "state": "SUCCESS", "return-code": 0}]

    play(scene)


def test_mixed_falls_back_to_pull_in_one_edit(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place, **{"execution-mode": "mixed"})
        (held,) = await executor.grant()
        write(executor, held, execution_mode="pull", progress=7)
        await until(lambda: len(place.edits(id_)) == 2, "the progress")
        message = "Re-running job in pull mode after failed first attempt: ValueError: no"
        executor._running.discard(held)
        executor.holds.release(held, failed(held, message))
        executor.exchanges.look()
        await until(place.clean, "the entry going")
        assert place.edits(id_)[1:] == [
            {"progress": 7},
            {"state": "QUEUED", "execution-mode": "pull", "status-message": message},
        ]
        await place.publish([id_])  # as if it had been left in the queue
        await until(place.clean, "the entry going")
        assert len(executor.granted_) == 1

    play(scene)


def test_a_retry_goes_on_here_with_its_checkpoint(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        write(executor, held, checkpoint=b'{"at":5}', progress=5)
        executor._running.discard(held)
        executor.holds.release(held, failed(held, delay=0.01))
        executor.exchanges.look()
        (again,) = await executor.grant()
        granted = again.granted
        assert granted is not None
        assert (again.id, granted.attempt, granted.failures, granted.resumed) == (id_, 2, 1, True)
        assert bytes(granted.checkpoint or b"") == b'{"at":5}'
        assert granted.changes["progress"] == 5
        assert len(await place.taken()) == 1
        finish(executor, again)
        await until(place.clean, "the entry going")

    play(scene)


def test_three_deaths_fail_it_and_progress_counts_anew(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        for progress in (None, None, 40, None, None):
            (held,) = await executor.grant()
            if progress:
                write(executor, held, progress=progress)
            executor.release(held, "died")
        await until(place.clean, "the entry going")
        assert len(executor.granted_) == 5
        assert (await place.job(id_))["status-message"].startswith("not run again: its process died 3 times in a row")

    play(scene)


def test_a_bulk_job_stays_running_for_its_children(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        write(executor, held, tags=["monitor"], progress=10)
        executor.release(held, "detached")
        await until(place.clean, "the entry going")
        merged = {name: value for edit in place.edits(id_) for name, value in edit.items()}
        assert merged == {"state": "RUNNING", "tags": ["monitor"], "progress": 10}
        other = await added(place, tags=["/job/entries/entry-1"])
        (held,) = await executor.grant()
        executor.release(held, "detached")
        await until(place.clean, "the entry going")
        assert place.edits(other)[1:] == [{"tags": ["monitor"]}]

    play(scene)


def test_an_end_whose_answer_is_lost_is_told_again(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()

        async def ended() -> bool:
            return (await place.job(id_))["state"] == "SUCCESS"

        async with executor.lost_answer(ended):
            finish(executor, held)
        await until(place.clean, "the entry going")
        assert place.nuvla.seen.count(("PUT", f"/api/{id_}")) == 3
        assert len(executor.granted_) == 1

    play(scene)


def test_a_fall_back_whose_answer_is_lost_does_not_disturb_its_new_runner(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place, **{"execution-mode": "mixed"})
        (held,) = await executor.grant()
        write(executor, held, execution_mode="pull")

        async def pulled() -> bool:
            job = await place.job(id_)
            if job["state"] != "QUEUED":
                return False
            await place.call("PUT", f"/api/{id_}", {"state": "RUNNING"})  # a NuvlaEdge has it now
            return True

        async with executor.lost_answer(pulled):
            executor._running.discard(held)
            executor.holds.release(held, failed(held))
            executor.exchanges.look()
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "RUNNING"

    play(scene)


def test_what_was_canceled_stays_so(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nuvla_watch, "POLL_SECONDS", 3600.0)

    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        await place.call("POST", f"/api/{id_}/cancel")
        finish(executor, held)
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "CANCELED"
        assert f"{id_} was CANCELED meanwhile" in caplog.text

    play(scene)


def test_a_cancel_interrupts(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        await place.call("POST", f"/api/{id_}/cancel")
        await until(lambda: executor.over, "the interruption")
        assert executor.over[0] == (held.key, "canceled")
        await until(place.clean, "the entry going")
        assert place.edits(id_) == [{"state": "RUNNING"}]

    play(scene)


def test_a_write_to_a_job_that_is_gone_interrupts_too(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla_watch, "POLL_SECONDS", 3600.0)

    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        await place.call("DELETE", f"/api/{id_}")
        write(executor, held, progress=5)
        await until(lambda: executor.over, "the interruption")
        assert executor.over[0] == (held.key, "deleted")
        await until(place.clean, "the entry going")

    play(scene)


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        (1, {"state": "SUCCESS", "return-code": 0}),
        (2, {"state": "FAILED", "status-message": "it ended as SUCCESS, which the API server does not take as it was"}),
    ],
)
def test_an_end_that_is_refused_is_told_in_plainer_words(play: Play, refused: int, left: Any) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        place.nuvla.rule = answering("PUT", id_, *[500] * refused)
        finish(executor, held, output="said\n")
        await until(place.clean, "the entry going")
        assert place.edits(id_)[1:] == [left]

    play(scene)


def test_an_end_that_is_refused_in_all_words_goes_back_to_the_queue(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor(room=1)
        id_ = await added(place)
        (held,) = await executor.grant()
        place.nuvla.rule = answering("PUT", id_, 500, 500, 500)
        finish(executor, held, output="said\n")
        (again,) = await executor.grant()
        assert again.id == id_
        finish(executor, again)
        await until(place.clean, "the entry going")

    play(scene)
