"""What every source of jobs does: the same scenes in each place."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.integration.sources.places import Place, attempt_of, until
from tests.integration.sources.playing import Play


def is_in(place: Place, id_: str, state: str, attempt: int | None = None) -> Callable[[], Awaitable[bool]]:
    """Whether a job is in a state, and was claimed so often, where the record counts that."""

    async def look() -> bool:
        job = await place.job(id_)
        counted = attempt is None or not place.counts or job.get("attempt") == attempt
        return job["state"] == state and counted

    return look


def test_a_job_is_granted_finished_and_gone(play: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        ids = await place.add(3)
        jobs = await executor.grant(3)
        assert sorted(held.id for held in jobs) == sorted(ids)
        assert {attempt_of(held) for held in jobs} == {1}
        executor.finish(*jobs)
        for id_ in ids:
            await until(is_in(place, id_, "SUCCESS", 1), "the job's end")
        await until(place.clean, "a clean queue")

    play(scene)


def test_no_more_is_granted_than_there_is_room_for(play: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor(room=2)
        await place.add(5)
        first = await executor.grant(2)
        assert await place.taken() == [] or len(await place.taken()) == 2
        executor.finish(first[0])
        await until(lambda: len(executor.granted_) == 3, "another grant")
        assert len(executor.running) == 2
        while len(executor.granted_) < 5 or executor.running:
            executor.finish(*executor.running)
            await until(lambda: executor.running or len(executor.granted_) == 5, "the next grants")
            assert len(executor.running) <= 2
        await executor.told()
        await until(place.clean, "a clean queue")

    play(scene)


def test_an_executor_is_granted_nothing_that_it_cannot_run(play_holds: Play) -> None:
    async def scene(place: Place) -> None:
        unable = await place.executor(actions=["other"])
        (id_,) = await place.add(1)
        (mine,) = await place.add(1, "other")
        (held,) = await unable.grant()
        assert held.id == mine
        able = await place.executor()
        (held,) = await able.grant()
        assert held.id == id_
        assert [held.id for held in unable.granted_] == [mine]

    play_holds(scene)


@pytest.mark.parametrize("why", ["unstarted", "stopped", "lost", "died"])
def test_a_job_that_is_released_runs_again(play: Play, why: str) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor(room=1)
        (id_,) = await place.add(1)
        (held,) = await executor.grant()
        executor.release(held, why)
        (held,) = await executor.grant()
        assert held.id == id_
        assert attempt_of(held) == 2 or not place.counts
        executor.finish(held)
        await until(is_in(place, id_, "SUCCESS", 2), "the job's end")
        await until(place.clean, "a clean queue")

    play(scene)


def test_a_job_that_failed_is_left_until_its_time(play_holds: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        (id_,) = await place.add(1)
        (held,) = await executor.grant()
        executor.release(held, "failed", delay=3600.0)
        await until(is_in(place, id_, "QUEUED", 1), "the job's release")
        assert "not-before" in await place.job(id_)
        await until(place.clean, "an entry that is not published any more")

    play_holds(scene)


def test_a_detached_job_goes_on_without_a_holder(play_holds: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        (id_,) = await place.add(1)
        (held,) = await executor.grant()
        executor.release(held, "detached")
        await executor.told()
        await until(place.clean, "an entry that is not published any more")
        await place.call("PUT", f"/api/{id_}", {"progress": 40})
        assert (await place.job(id_))["state"] == "RUNNING"

    play_holds(scene)


def test_a_grant_whose_answer_is_lost_is_granted_again(play_holds: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        executor.proxy.set(down="eat")
        (id_,) = await place.add(1)
        await until(is_in(place, id_, "RUNNING", 1), "a grant")
        assert executor.granted_ == []
        executor.proxy.set(down="pass")
        executor.proxy.cut()
        (held,) = await executor.grant()
        assert (held.id, attempt_of(held)) == (id_, 1)
        executor.finish(held)
        await until(is_in(place, id_, "SUCCESS", 1), "the job's end")
        await until(place.clean, "a clean queue")

    play_holds(scene)


@pytest.mark.parametrize(("why", "state"), [("finish", "SUCCESS"), ("failed", "QUEUED"), ("stopped", "QUEUED")])
def test_an_end_whose_answer_is_lost_counts_once(play_holds: Play, why: str, state: str) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor(room=1)
        (id_,) = await place.add(1)
        (held,) = await executor.grant()
        async with executor.lost_answer(is_in(place, id_, state, 1)):
            executor.room = 0
            if why == "finish":
                executor.finish(held)
            else:
                executor.release(held, why, delay=3600.0 if why == "failed" else 0.0)
        await executor.told()
        if why == "stopped":
            executor.room = 1
            executor.exchanges.speak()
            (held,) = await executor.grant()
            assert attempt_of(held) == 2
        else:
            assert await is_in(place, id_, state, 1)()
            await until(place.clean, "a clean queue")

    play_holds(scene)


def test_a_cancel_reaches_the_holder_at_once(play_holds: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        (id_,) = await place.add(1)
        (held,) = await executor.grant()
        await place.call("POST", f"/api/{id_}/cancel")
        await until(lambda: executor.over, "the holder hearing of it")
        assert executor.over[0] == (held.key, "canceled")
        await until(place.clean, "a clean queue")

    play_holds(scene)


def test_a_hold_that_is_not_listed_is_granted_again(play: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        await place.add(1)
        (held,) = await executor.grant()
        executor.holds.end(held.key)  # as if we had forgotten it
        executor.running.discard(held)
        executor.exchanges.speak()
        (again,) = await executor.grant()
        assert again.key == held.key
        assert again is not held

    play(scene)


def test_an_executor_goes_on_when_the_server_is_back(play: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor()
        (first,) = await place.add(1)
        (held,) = await executor.grant()
        executor.proxy.set(refuse=True)
        executor.proxy.cut()
        executor.finish(held)
        await until(lambda: executor.exchanges.away_since, "the loop noticing")
        (second,) = await place.add(1)
        assert (await place.job(first))["state"] == "RUNNING"
        executor.proxy.set(refuse=False)
        await until(is_in(place, first, "SUCCESS", 1), "the first job's end")
        (held,) = await executor.grant()
        assert (held.id, attempt_of(held)) == (second, 1)
        assert executor.exchanges.away_since is None

    play(scene)


def test_nothing_is_kept_from_others_while_the_server_is_away(play_holds: Play) -> None:
    async def scene(place: Place) -> None:
        cut_off = await place.executor()
        cut_off.proxy.set(refuse=True)
        cut_off.proxy.cut()
        await until(lambda: cut_off.exchanges.away_since, "the loop noticing")
        (id_,) = await place.add(1)
        other = await place.executor()
        (held,) = await other.grant()
        assert (held.id, attempt_of(held)) == (id_, 1)

    play_holds(scene)


def test_a_stop_leaves_nothing_behind(play: Play) -> None:
    async def scene(place: Place) -> None:
        executor = await place.executor(room=3)
        ids = await place.add(6)
        jobs = await executor.grant(3)
        executor.finish(jobs[0])
        await executor.close()
        assert await place.taken() == []
        assert await is_in(place, jobs[0].id, "SUCCESS", 1)()
        other = await place.executor(room=6)
        again = await other.grant(5)
        assert {held.id for held in again} == set(ids) - {jobs[0].id}
        other.finish(*again)
        await other.told()
        await until(place.clean, "a clean queue")

    play(scene)


def test_many_jobs_in_two_executors_run_once(play: Play) -> None:
    async def scene(place: Place) -> None:
        executors = [await place.executor(room=16), await place.executor(room=16)]
        ids = set(await place.add(200))
        done: list[str] = []
        while len(done) < len(ids):
            for executor in executors:
                jobs = list(executor.running)
                done += [held.id for held in jobs]
                executor.finish(*jobs)
            await asyncio.sleep(0)
        for executor in executors:
            await executor.told()
        assert sorted(done) == sorted(ids)
        await until(place.clean, "a clean queue")

    play(scene)
