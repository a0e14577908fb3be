"""An administrator edits the priority of a job that is published: its entry moves."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from tests.integration.relay.scene import Scene, play, until


def test_an_edit_of_the_priority_moves_the_entry(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running(ghost=3600.0)
        first, second, running = await s.add(3, priority=5)
        stays, moves, taken = [await s.published(job) for job in (first, second, running)]
        member = await s.member(timeout=20.0)
        assert [take.name for take in await member.queue.take_names([taken])] == [taken]
        await relay.reconcile(dry_run=False)  # an earlier comparison may have begun before the take
        await s.edit(second, priority=1)  # nothing happens in ZooKeeper
        await s.edit(running, priority=1)
        await s.repaired(relay, "move")
        await s.gone(moves)
        better = await s.published(second)
        assert better.startswith("entry-001-")
        assert await s.queue() == {better: second, stays: first, taken: running}
        assert await s.claim(member.session.name, taken, running) == (1, None), "who had it taken goes on"
        await s.idle(relay)
        counts = {kind: count for kind, count in relay.journal.counts.items() if count}
        assert counts == {"move": 1, "remove-other": 1}

    play(scene, host, tmp_path)


def test_an_edit_while_its_job_is_being_put_moves_it_too(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        put_many = relay._queue.put_many

        async def meanwhile(wanted: Any, record: str) -> Any:
            relay._queue.put_many = put_many
            names = await put_many(wanted, record)
            await s.edit(wanted[0][0], priority=9)
            return names

        relay._queue.put_many = meanwhile  # type: ignore[assignment]
        (job,) = await s.add(priority=5)
        await until(lambda: _starts(s.entry(job), "entry-009-"), "the new place")
        await s.repaired(relay, "remove-other")
        assert list(await s.queue()) == [await s.published(job)]

    play(scene, host, tmp_path)


def test_what_is_worse_than_the_whole_window_leaves_the_queue(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running(window=2)
        first, second, third = await s.add(3, priority=5)
        names = [await s.published(job) for job in (first, second)]
        await s.edit(first, priority=9)
        await s.gone(names[0])
        last = await s.published(third)
        assert await s.queue() == {names[1]: second, last: third}
        assert await s.entry(first) is None
        assert relay.journal.counts["remove-other"] == 1

    play(scene, host, tmp_path)


async def _starts(value: Awaitable[str | None], wanted: str) -> bool:
    return (await value or "").startswith(wanted)
