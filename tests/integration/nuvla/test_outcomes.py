"""Upstream's outcome table, row by row, on a real queue and a server that looks like Nuvla's."""

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from msgspec import Raw

from job_engine.executor.holds import Held
from job_engine.executor.sources import nuvla, nuvla_job, nuvla_watch
from job_engine.job.attend import Finished, Released, Write
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import Executor, until
from tests.integration.sources.playing import Play


def answering(method: str, id_: str, *statuses: int) -> Callable[[str, str, Any], int | None]:
    """A rule: these requests are answered so, one after the other; later ones as usual."""
    left = list(statuses)
    return lambda m, path, _: left.pop(0) if left and (m, path) == (method, f"/api/{id_}") else None


def always(method: str, id_: str, status: int) -> Callable[[str, str, Any], int | None]:
    return lambda m, path, _: status if (m, path) == (method, f"/api/{id_}") else None


def write(executor: Executor, held: Held, checkpoint: bytes | None = None, **changes: Any) -> None:
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    executor.holds.write(held, Write(*held.key, None, named, None if checkpoint is None else Raw(checkpoint)))
    executor.attending.look()


def finish(executor: Executor, held: Held, state: str = "SUCCESS", code: int | None = 0, **more: Any) -> None:
    executor._running.discard(held)
    executor.holds.finish(held, Finished(*held.key, state, 1.0, 2.0, code, **more))
    executor.attending.look()


def gets(place: NuvlaPlace, id_: str) -> int:
    return place.nuvla.seen.count(("GET", f"/api/{id_}"))


async def added(place: NuvlaPlace, action: str = "noop", **attributes: Any) -> str:
    return (await place.add(1, action, **attributes))[0]


# --- before it runs


def test_a_job_that_does_not_exist_is_looked_for_twice_and_its_entry_goes(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        await place.executor()
        id_ = f"job/{uuid4()}"
        await place.publish([id_])
        await until(place.clean, "the entry going")
        assert gets(place, id_) == 2

    play(scene)


def test_a_job_whose_entry_was_there_first_runs(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        place.nuvla.rule = answering("GET", id_, 404)
        await place.publish([id_])
        (held,) = await executor.grant()
        assert held.id == id_

    play(scene)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_job_that_cannot_be_had_goes_back_and_comes_later(play: Play, status: int) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor(room=1)
        bad = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        place.nuvla.rule = always("GET", bad, status)
        await place.publish([bad])
        await until(lambda: gets(place, bad) >= 3, "it coming back")
        good = await added(place)
        (held,) = await executor.grant()
        assert held.id == good  # the bad one keeps nobody out
        executor.finish(held)
        place.nuvla.rule = lambda *_: None
        (held,) = await executor.grant()
        assert held.id == bad

    play(scene)


def test_a_job_that_is_kept_for_later_keeps_nobody_out(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla, "FIRST_DELAY", 3600.0)
    monkeypatch.setattr(nuvla, "LONGEST_DELAY", 3600.0)

    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor(room=1)
        bad = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        place.nuvla.rule = always("GET", bad, 500)
        await place.publish([bad])
        await until(lambda: gets(place, bad), "it being looked at")
        good = await added(place)
        (held,) = await executor.grant()
        assert held.id == good
        assert len(await place.taken()) == 2

    play(scene)


def test_it_comes_later_and_later() -> None:
    source = nuvla.NuvlaSource(
        type("Api", (), {"failure": None, "on_away": None})(),
        "x",
        type("Entries", (), {"on_lapse": None})(),  # type: ignore[arg-type]
        "1",
    )
    assert [source._delay("job/1") for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert source._delay("job/2") == 1


def test_a_job_that_is_too_new_is_left_to_others(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor(room=1)
        new = await added(place, version=3)
        for _ in range(3):
            id_ = await added(place)
            (held,) = await executor.grant()
            assert held.id == id_
            executor.finish(held)
        await executor.told()
        await until(lambda: _is_free(place, 1), "the entry being free")
        assert gets(place, new) == 1
        assert place.edits(new) == []
        assert caplog.text.count(f"{new} is of version 3") == 1

    play(scene)


async def _is_free(place: NuvlaPlace, entries: int) -> bool:
    return len(await place.children("entries")) == entries and await place.taken() == []


@pytest.mark.parametrize("version", [0, 1, None])
def test_a_job_that_is_too_old_fails(play: Play, version: int | None) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        if version is None:
            place.nuvla.strip = ("version",)
        # before its state is looked at: that it was RUNNING is no matter
        id_ = await added(place, **({} if version is None else {"version": version}))
        await until(place.clean, "the entry going")
        message = f"Job v{version or 0} is not supported by Job engine v1.2.3"
        assert place.edits(id_) == [{"state": "FAILED", "status-message": message}]
        assert executor.granted_ == []

    play(scene)


def test_a_final_job_is_removed_untouched(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        id_ = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        await place.call("PUT", f"/api/{id_}", {"state": "SUCCESS"})
        executor = await place.executor()
        await place.publish([id_])
        await until(place.clean, "the entry going")
        assert len(place.edits(id_)) == 1
        assert executor.granted_ == []

    play(scene)


def test_an_unknown_action_fails(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        await place.executor()
        id_ = await added(place, "no-such")
        await until(place.clean, "the entry going")
        assert place.edits(id_) == [{"state": "FAILED", "status-message": f"Not implemented action {id_}: no-such"}]

    play(scene)


def test_a_job_without_action_fails(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        await place.executor()
        place.nuvla.strip = ("action",)
        id_ = await added(place)
        await until(place.clean, "the entry going")
        assert place.edits(id_) == [{"state": "FAILED", "status-message": f"{id_} has no action"}]

    play(scene)


def test_an_edit_to_running_that_is_refused_releases(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        place.nuvla.rule = answering("PUT", id_, 403, 403, 403, 403)  # each time again after a login
        await place.publish([id_])
        (held,) = await executor.grant()
        assert held.id == id_
        assert gets(place, id_) == 3

    play(scene)


def test_a_job_canceled_just_before_it_runs_is_removed(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        place.nuvla.rule = answering("PUT", id_, 409)
        await place.call("POST", f"/api/{id_}/cancel")
        place.nuvla.edits.clear()
        await place.publish([id_])
        await until(place.clean, "the entry going")
        assert executor.granted_ == []

    play(scene)


def test_a_job_with_two_entries_runs_once_here(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        await place.publish([id_])
        await until(lambda: executor.source._delays[id_], "the second entry being kept")  # type: ignore[attr-defined]
        assert len(executor.granted_) == 1
        executor.finish(held)
        await until(place.clean, "both entries going")
        assert len(executor.granted_) == 1

    play(scene)


# --- how it ends


def test_what_is_written_of_a_job_that_runs(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        finish(executor, held, result=Raw(b"{}"), output="one line\n")
        await until(place.clean, "the entry going")
        assert place.edits(id_) == [
            {"state": "RUNNING"},
            {"state": "SUCCESS", "return-code": 0, "output": "one line\n"},
        ]
        id_ = await added(place)
        (held,) = await executor.grant()
        finish(executor, held, "FAILED", None, message="why", output=" ")
        await until(place.clean, "the entry going")
        assert place.edits(id_)[1:] == [{"state": "FAILED", "status-message": "why"}]

    play(scene)


def test_progress_is_written_now_and_then(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla_job, "WRITES", 3600.0)

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
        executor.holds.released(held, _failed(held, message))
        executor.attending.look()
        await until(place.clean, "the entry going")
        assert place.edits(id_)[1:] == [
            {"progress": 7},
            {"state": "QUEUED", "execution-mode": "pull", "status-message": message},
        ]
        await place.publish([id_])  # as if it had been left in the queue
        await until(place.clean, "the entry going")
        assert len(executor.granted_) == 1

    play(scene)


def _failed(held: Held, why: str = "no", delay: float = 0.0) -> Released:
    return Released(*held.key, "failed", why, delay)


def test_a_retry_goes_on_here_with_its_checkpoint(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        write(executor, held, checkpoint=b'{"at":5}', progress=5)
        executor._running.discard(held)
        executor.holds.released(held, _failed(held, delay=0.01))
        executor.attending.look()
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
            executor.holds.released(held, _failed(held))
            executor.attending.look()
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "RUNNING"

    play(scene)


def test_what_was_canceled_stays_so(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nuvla_watch, "LOOK", 3600.0)

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
    monkeypatch.setattr(nuvla_watch, "LOOK", 3600.0)

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


# --- accidents


def test_a_session_that_the_server_forgot_is_made_again(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = (await place.call("POST", "/api/job", {"action": "noop"}, expect=201))["resource-id"]
        logins = place.nuvla.seen.count(("POST", "/api/session"))
        place.nuvla.rule = answering("GET", id_, 401)
        await place.publish([id_])
        (held,) = await executor.grant()
        assert held.id == id_
        assert place.nuvla.seen.count(("POST", "/api/session")) == logins + 1

    play(scene)


def test_what_has_not_begun_is_left_to_others_when_the_api_goes_away(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        cut_off = await place.executor()
        cut_off.proxy.set(refuse=True)
        cut_off.proxy.cut()
        id_ = await added(place)
        await until(lambda: cut_off.attending.away_since, "the loop noticing")
        other = await place.executor()
        (held,) = await other.grant()
        assert held.id == id_
        assert cut_off.granted_ == []

    play(scene)


def test_a_lost_session_writes_nothing_more(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        other = await place.executor(room=0)
        id_ = await added(place)
        (held,) = await executor.grant()
        executor.room = 0
        await place.expire(executor)
        await until(lambda: executor.lapses, "the lapse")
        other.room = 1
        other.attending.speak()
        (again,) = await other.grant()
        assert again.id == id_
        executor.holds.finish(held, Finished(*held.key, "FAILED", 1.0, 2.0))
        executor.attending.look()
        await executor.told()
        finish(other, again)
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "SUCCESS"
        assert [edit["state"] for edit in place.edits(id_)] == ["RUNNING", "RUNNING", "SUCCESS"]

    play(scene)


def test_an_end_that_waits_for_the_api_is_void_when_the_session_is_lost(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        other = await place.executor(room=0)
        id_ = await added(place)
        (held,) = await executor.grant()
        executor.proxy.set(refuse=True)
        executor.proxy.cut()
        finish(executor, held, "FAILED", 1)
        await until(lambda: executor.attending.away_since, "the loop noticing")
        executor.room = 0
        await place.expire(executor)
        await until(lambda: executor.lapses, "the lapse")
        assert executor.source._tasks == {}  # type: ignore[attr-defined]
        executor.proxy.set(refuse=False)
        other.room = 1
        other.attending.speak()
        (again,) = await other.grant()
        finish(other, again)
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "SUCCESS"

    play(scene)


def test_503_is_an_api_that_is_away(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        id_ = await added(place)
        (held,) = await executor.grant()
        place.nuvla.rule = lambda *_: 503
        finish(executor, held)
        await until(lambda: executor.attending.away_since, "the loop noticing")
        place.nuvla.rule = lambda *_: None
        await until(place.clean, "the entry going")
        assert (await place.job(id_))["state"] == "SUCCESS"
        assert executor.attending.away_since is None

    play(scene)
