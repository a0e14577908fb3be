"""What is published: best first, up to the window, at once."""

import asyncio
from pathlib import Path
from typing import Any

from job_engine.queue import names
from tests.integration.relay.scene import Scene, play, until


def test_an_add_is_published_at_once_without_a_look_at_the_queue(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        await s.published((await s.add())[0])
        await s.idle(relay)
        looks = 0
        look = relay._listing.list_entries

        async def counted() -> Any:
            nonlocal looks
            looks += 1
            return await look()

        put = asyncio.Event()
        put_many = relay._queue.put_many

        async def watched(jobs: Any, record: str = "") -> list[str]:
            assert looks == 0, "it listed the queue before it put"
            found = await put_many(jobs, record)
            put.set()
            return found

        relay._listing.list_entries = counted
        relay._queue.put_many = watched
        relay._next_comparison = 0.0  # a comparison may be made at any time, so that the order shows
        (job,) = await s.add(priority=7)
        await put.wait()
        name = await s.published(job)
        assert name.startswith("entry-007-")
        assert (await s.row(job, "tags"))[0] == f'["{s.path}/entries/{name}"]'

    play(scene, host, tmp_path)


def test_the_best_of_many_is_published_and_the_rest_as_they_are_claimed(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        late = await s.add(60, priority=500)
        soon = await s.add(40, priority=100)
        await s.running(window=10)

        async def published(count: int) -> dict[str, str]:
            await until(lambda: _has(s, count), f"{count} entries")
            return await s.queue()

        first = await published(10)
        assert set(first.values()) == set(soon[:10])
        seen = list(first.values())
        order = []
        member = await s.member()
        while len(order) < 100:
            (taken,) = await member.queue.take(1)
            attempt, verdict = await s.claim(member.session.name, taken.name, taken.job)
            assert attempt == 1, verdict
            order.append(taken.job)
            await s.finish(taken.job)
            await member.queue.consume([taken])
            now = await s.queue()
            assert len(now) <= 10
            seen += [job for job in now.values() if job not in seen]
        assert set(order) == {*soon, *late}
        assert order.index(late[0]) >= 30, "a worse priority came far too early"
        await until(lambda: _has(s, 0), "an empty queue")

    play(scene, host, tmp_path)


def test_a_better_priority_goes_into_a_full_window(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.add(100, priority=500)
        await s.running(window=10)
        await until(lambda: _has(s, 10), "a full window")
        (equal,) = await s.add(priority=500)
        (best,) = await s.add(priority=3)
        await s.published(best)
        assert await s.entry(equal) is None
        assert len(await s.queue()) == 11

    play(scene, host, tmp_path)


def test_many_better_ones_do_not_flood_zookeeper(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.add(20, priority=500)
        await s.running(window=10)
        await until(lambda: _has(s, 10), "a full window")
        better = await s.add(1000, priority=100)
        await s.published(better[9])
        (best,) = await s.add(priority=3)
        await s.published(best)
        entries = await s.queue()
        assert sum(names.parse(name).priority == 100 for name in entries) <= 256, "all of them went in"

    play(scene, host, tmp_path)


def test_what_waits_or_is_to_be_pulled_is_not_published(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.running()
        (pull,) = await s.add(execution_mode="pull")
        await s.add(not_before="2999-01-01T00:00:00Z")
        (mixed,) = await s.add(execution_mode="mixed")
        await s.published(mixed)
        assert set((await s.queue()).values()) == {mixed}
        await s.edit(pull, execution_mode="push")
        await s.published(pull)

    play(scene, host, tmp_path)


def test_a_job_whose_time_comes_is_published(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.running()
        (job,) = await s.add()
        member = await s.member()
        (taken,) = await member.queue.take(1)
        await s.claim(member.session.name, taken.name, taken.job)
        await s.release(job, "failed", delay=0.3)
        await member.queue.consume([taken])
        again = await s.published(job)
        assert again != taken.name

    play(scene, host, tmp_path)


async def _has(s: Scene, count: int) -> bool:
    return len(await s.children("entries")) == count
