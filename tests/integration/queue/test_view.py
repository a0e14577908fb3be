"""What is tried, when it is listed, and strangers beside us."""

import asyncio
import math

from job_engine.queue import EndOutcome
from job_engine.queue.choice import DEEP_SHARE, LEFT_TO_OTHERS
from tests.integration.queue.scene import Stage, play, until


def test_one_listing_serves_many_takes(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        names = await ours.queue.put_many([(f"job/{n}", 1) for n in range(60)])
        await ours.queue.release(await ours.queue.take(1))
        listings = ours.queue._view.listings
        ours.queue._view._stale = lambda age: False  # as long as nothing else changes
        taken = [t for _ in range(4) for t in await ours.queue.take(12)]
        assert ours.queue._view.listings == listings
        assert len({t.name for t in taken} & set(names)) == 48

    play(scene, host)


def test_no_herd(host, monkeypatch):
    """One put with eight waiting: its owner tries, and each lists a few times at most."""
    for patience in (
        "view.GRACE_SECONDS",
        "choice.GRACE_SECONDS",
        "choice.NEGLECTED_SECONDS",
    ):  # a busy machine's owner may be slower
        monkeypatch.setattr(f"job_engine.queue.{patience}", 3600.0)

    async def scene(stage: Stage) -> None:
        members = [await stage.member() for _ in range(8)]
        tried: list[int] = []
        for member in members:
            _count_tries(member.queue._takes, tried)
        waiting = [asyncio.create_task(member.queue.take(1)) for member in members]
        await until(lambda: all(m.queue._view._share.of == 8 for m in members), "everybody knowing everybody")
        before = [m.queue._view.listings for m in members]
        await stage.ask("create", "entries/entry-001-", b"job/1", sequence=True)
        done, idle = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == len(tried) == 1
        assert all(m.queue._view.listings - b <= 3 for m, b in zip(members, before, strict=True))
        for task in idle:
            task.cancel()

    play(scene, host)


def test_an_idle_queue_wakes_one(host, monkeypatch):
    """The number of the next entry tells whose it will be: the others do not even look."""
    for patience in ("view.GRACE_SECONDS", "choice.GRACE_SECONDS", "choice.NEGLECTED_SECONDS"):
        monkeypatch.setattr(f"job_engine.queue.{patience}", 3600.0)

    async def scene(stage: Stage) -> None:
        members = [await stage.member() for _ in range(4)]
        views = [member.queue._view for member in members]
        for n in range(8):
            monkeypatch.setattr("job_engine.queue.view.COURTESY_SECONDS", 0.0)
            for view in views:
                view._courtesy = 0.0
            waiting = [asyncio.create_task(member.queue.take(1)) for member in members]
            await until(lambda: all(v._share.of == 4 and _is_idle(v) for v in views), "everybody waiting")
            monkeypatch.setattr("job_engine.queue.view.COURTESY_SECONDS", 3600.0)
            before = [view.listings for view in views]
            name = await members[n % 4].queue.put(f"job/{n}")
            (first,), others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            looked = [view._share.place for view, b in zip(views, before, strict=True) if view.listings > b]
            assert looked == [int(name.rpartition("-")[2]) % 4]
            for task in others:
                task.cancel()
            await asyncio.wait(others)
            await members[waiting.index(first)].queue.consume(first.result())

    play(scene, host)


def _is_idle(view):
    """It has listed, nothing was there, and it waits."""
    changed = view._entries.fired or view._members.fired or view._blocked
    return view._changed._waiters and not changed and not any(view._plan)


def _count_tries(takes, tried):
    take = takes._take

    def counted(link, names):
        tried.append(len(names))
        return take(link, names)

    takes._take = counted


def test_the_best_does_not_wait_for_a_busy_owner(host):
    async def scene(stage: Stage) -> None:
        ours, busy = await stage.member(), await stage.member()
        names = await ours.queue.put_many([(f"job/{n}", n) for n in range(8)])
        taken = []
        while len(taken) < 8:
            taken += await ours.queue.take(8)
        assert {t.name for t in taken} == set(names)
        assert busy.queue.held == []

    play(scene, host)


def test_what_a_dead_holder_had_is_taken_at_once(host):
    async def scene(stage: Stage) -> None:
        first, second = await stage.member(), await stage.member()
        await first.queue.put("job/1")
        await first.queue.take(1)
        waiting = asyncio.create_task(second.queue.take(1))
        await until(lambda: second.queue._view._blocked, "the second seeing it taken")
        await first.session.close()
        assert [t.job for t in await waiting] == ["job/1"]

    play(scene, host)


def test_what_is_released_is_taken_by_another(host):
    """Nothing changes among the entries then: the taken nodes are watched too."""

    async def scene(stage: Stage) -> None:
        first, second = await stage.member(), await stage.member()
        await first.queue.put("job/1")
        taken = await first.queue.take(1)
        waiting = asyncio.create_task(second.queue.take(1))
        await until(lambda: second.queue._view._blocked, "the second seeing it taken")
        await first.queue.release(taken)
        assert [t.job for t in await waiting] == ["job/1"]

    play(scene, host)


def test_a_name_is_not_tried_again_while_it_is_being_taken(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        names = await ours.queue.put_many([(f"job/{n}", n) for n in range(8)])
        view = ours.queue._view
        first = await view.next(4)
        view._forget()
        assert sorted(first + await view.next(8)) == names
        view.freed(first[:1])
        view._forget()
        assert await view.next(8) == first[:1]

    play(scene, host)


def test_an_entry_that_is_avoided_for_a_while_is_tried_again_though_nothing_happens(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await ours.queue.put("job/1", 1)
        for seconds in (0.05, 0.3):
            assert await ours.queue.release(await ours.queue.take(1), avoid=seconds) == [EndOutcome.DONE]
        assert [t.job for t in await ours.queue.take(1)] == ["job/1"]
        assert ours.witness.told == ["renewed"]

    play(scene, host)


def test_an_entry_that_we_cannot_run_is_left_alone(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        first = await ours.queue.put("job/foreign", 1)
        (cannot,) = await ours.queue.take(1)
        assert await ours.queue.release([cannot], avoid=math.inf) == [EndOutcome.DONE]
        await ours.queue.put("job/ours", 2)
        assert [t.job for t in await ours.queue.take(2)] == ["job/ours"]
        await stage.ask("delete", f"entries/{first}")
        await ours.queue.put("job/more", 0)
        assert [t.job for t in await ours.queue.take(2)] == ["job/more"]
        assert not ours.queue._view._resting, "nothing is remembered of what is gone"

    play(scene, host)


def test_strays_and_odd_priorities(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        for name in ("stray", "exactly20characters!", "entry-1000-0000000009", "entry-101-0000000008"):
            await stage.ask("create", f"entries/{name}", b"job/" + name.encode())
        jobs = [t.job for _ in range(2) for t in await ours.queue.take(1)]
        assert jobs == ["job/entry-101-0000000008", "job/entry-1000-0000000009"]

    play(scene, host)


def test_the_wire_is_that_of_kazoo(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        client = await stage.kazoo()
        theirs = client.LockingQueue(stage.path)
        await asyncio.to_thread(theirs.put, b"job/theirs", 7)
        (taken,) = await ours.queue.take(1)
        assert (taken.job, taken.name) == ("job/theirs", "entry-007-0000000000")
        assert await asyncio.to_thread(theirs.get, 0.2) is None, "what we have taken is not free for kazoo"
        await ours.queue.release([taken])
        assert await asyncio.to_thread(theirs.get, 10) == b"job/theirs"
        assert await ours.queue.take_names([taken.name]) == []
        assert await asyncio.to_thread(theirs.consume)
        await ours.queue.put("job/ours", 3)
        assert await asyncio.to_thread(theirs.get, 10) == b"job/ours"

    play(scene, host)


def test_a_mixed_fleet_processes_each_entry_once(host):
    async def scene(stage: Stage) -> None:
        ours = [await stage.member() for _ in range(2)]
        clients = [await stage.kazoo() for _ in range(2)]
        count, done = 150 + DEEP_SHARE + LEFT_TO_OTHERS, []

        async def consumer(member) -> None:
            while True:
                taken = await member.queue.take(4)
                done.extend(("ours", t.job) for t in taken)
                assert set(await member.queue.consume(taken)) == {EndOutcome.DONE}

        def stranger(client) -> None:
            queue = client.LockingQueue(stage.path)
            while (job := queue.get(1)) is not None:
                done.append(("kazoo", job.decode()))
                assert queue.consume()

        strangers = [asyncio.create_task(asyncio.to_thread(stranger, client)) for client in clients]
        consumers = [asyncio.create_task(consumer(member)) for member in ours]
        await ours[0].queue.put_many([(f"job/{n}", n % 3) for n in range(count)])
        await until(lambda: len(done) >= count, "the queue being empty")
        await asyncio.gather(*strangers)
        for task in consumers:
            task.cancel()
        await asyncio.wait(consumers)
        assert not [task for task in consumers if not task.cancelled()]
        assert sorted(job for _, job in done) == sorted(f"job/{n}" for n in range(count))
        assert {who for who, _ in done} == {"ours", "kazoo"}
        assert await stage.children("entries") == await stage.children("taken") == []

    play(scene, host)
