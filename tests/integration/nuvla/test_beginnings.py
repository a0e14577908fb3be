"""Upstream's outcome table, row by row, until a job runs: on a real queue and a server that looks like Nuvla's."""

import logging
from uuid import uuid4

import pytest

from job_engine.executor.sources import nuvla
from tests.integration.nuvla.doings import added, always, answering, finish, gets
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import until
from tests.integration.sources.playing import Play


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
    monkeypatch.setattr(nuvla, "FIRST_DELAY_SECONDS", 3600.0)
    monkeypatch.setattr(nuvla, "LONGEST_DELAY_SECONDS", 3600.0)

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


@pytest.mark.parametrize("number", [0, 1, None])
def test_a_job_that_is_too_old_fails(play: Play, number: int | None) -> None:
    async def scene(place: NuvlaPlace) -> None:
        executor = await place.executor()
        if number is None:
            place.nuvla.strip = ("version",)
        # before its state is looked at: that it was RUNNING is no matter
        id_ = await added(place, **({} if number is None else {"version": number}))
        await until(place.clean, "the entry going")
        message = f"Job v{number or 0} is not supported by Job engine v1.2.3"
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


def test_an_unknown_action_is_left_to_others_for_a_while_and_fails_once(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        place.grace = 0.2
        executor = await place.executor(room=1)
        id_ = await added(place, "no-such")
        await until(lambda: gets(place, id_), "it being looked at")
        await until(lambda: _is_free(place, 1), "the entry being free")
        assert place.edits(id_) == []
        good = await added(place)
        (held,) = await executor.grant()
        assert held.id == good  # meanwhile others are run
        finish(executor, held)
        await until(place.clean, "the entries going")
        assert place.edits(id_) == [{"state": "FAILED", "status-message": f"Not implemented action {id_}: no-such"}]
        assert gets(place, id_) == 2

    play(scene)


def test_actions_that_another_executor_has_are_run_by_it(play: Play) -> None:
    async def scene(place: NuvlaPlace) -> None:
        place.grace = 3600.0
        lacking = await place.executor(room=1)
        first = await added(place, "theirs")
        await until(lambda: gets(place, first), "it being looked at")
        other = await place.executor(room=4, actions=("theirs",))
        jobs = [first, *[await added(place, "theirs") for _ in range(3)]]
        helds = await other.grant(4)
        assert sorted(held.id for held in helds) == sorted(jobs)
        for held in helds:
            finish(other, held)
        await until(place.clean, "the entries going")
        assert [edit["state"] for id_ in jobs for edit in place.edits(id_)] == ["RUNNING", "SUCCESS"] * 4
        assert lacking.granted_ == []

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
        place.nuvla.rule = answering("PUT", id_, 403, 403)
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
