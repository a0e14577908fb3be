"""What is lost: ZooKeeper's disk, answers, connections, relays. Nothing of it loses a job or leaves one twice."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from job_engine.job.errors import Unavailable
from job_engine.queue import inspection
from job_engine.relay.relay import Relay
from job_engine.store import publishing
from tests import zookeeper
from tests.integration.queue.scene import lost_answer
from tests.integration.relay.scene import Scene, play, until


@pytest.mark.parametrize("disk", ["wiped", "an older copy", "kept"])
def test_the_queue_is_rebuilt_from_the_record(server: zookeeper.Server, tmp_path: Path, disk: str) -> None:
    async def scene(s: Scene) -> None:
        timeout = 4.0 if disk == "kept" else 2.0  # the longest that the server grants, so that sessions live through it
        relay = await s.relay(timeout=timeout)
        s.run(relay)
        done, held, waiting = await s.add(3)
        names = {job: await s.published(job) for job in (done, held, waiting)}
        await asyncio.to_thread(server.kill)
        copy = server.folder / "copy"
        shutil.copytree(server.folder / "data", copy)
        await asyncio.to_thread(server.start)
        s.strangers_leave()
        member = await s.member(timeout=timeout)
        for taken in await member.queue.take_names([names[done], names[held]]):
            await s.claim(member.session.name, taken.name, taken.job)
        holder = member.session.name
        await s.finish(done)
        await member.queue.consume([taken for taken in member.queue.held if taken.job == done])
        (later,) = await s.add(priority=5)
        names[later] = await s.published(later)

        await asyncio.to_thread(server.kill)
        if disk != "kept":
            shutil.rmtree(server.folder / "data")
        if disk == "an older copy":
            copy.rename(server.folder / "data")
        await asyncio.to_thread(server.start)
        s.strangers_leave()

        fresh = {job: await s.published(job) for job in (waiting, later)}
        if disk == "kept":
            assert fresh == {job: names[job] for job in fresh}
        if disk == "an older copy":
            await s.gone(names[done])
        assert (await s.row(held, "attempt"))[0] == 1
        if disk == "kept":
            assert await s.row(held, "state, holder") == ("RUNNING", holder)
        else:  # its member is gone: it runs again
            await s.repaired(relay, "end-hold")
            await s.published(held)
            assert await s.row(held, "state") == ("QUEUED",)
        assert await s.row(done, "state") == ("SUCCESS",)
        await until(lambda: _agree(s, {waiting, later, held}), "one entry for each")

    play(scene, server.host, tmp_path)


def test_a_put_whose_answer_was_lost_is_looked_for_before_it_is_repeated(
    host: str, proxy: zookeeper.Proxy, tmp_path: Path
) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running(proxy.host)
        (first,) = await s.add()
        await s.published(first)
        far_away(relay)
        async with lost_answer(proxy, lambda: _count(s, 2)):
            (job,) = await s.add()
        name = await s.published(job)
        (last,) = await s.add()
        await s.published(last)
        assert list((await s.queue()).values()).count(job) == 1
        assert (await s.queue())[name] == job
        assert relay.journal.counts["adopt"] == 1

    play(scene, host, tmp_path)


def test_a_note_that_the_record_refused_is_made_up_for(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        await s.published((await s.add())[0])
        far_away(relay)
        write, failed = s.store.write, asyncio.Event()

        def full(verb: Any, *arguments: Any) -> Any:
            if verb is publishing.publish and arguments[0] and not failed.is_set():
                failed.set()
                future = asyncio.get_running_loop().create_future()
                future.set_exception(Unavailable("the record cannot be written: the disk is full"))
                return future
            return write(verb, *arguments)

        s.store.write = full  # type: ignore[assignment, method-assign]
        (job,) = await s.add()
        await failed.wait()
        name = await s.published(job)
        assert list((await s.queue()).values()).count(job) == 1
        await s.repaired(relay, "adopt")
        assert relay.journal.last[-1].entry == name

    play(scene, host, tmp_path)


def test_two_relays_at_once_leave_one_entry_for_each_job(host: str, tmp_path: Path) -> None:
    """A leader that was deposed and does not know it yet."""

    async def scene(s: Scene) -> None:
        relays = [await s.running(), await s.running()]
        wanted: set[str] = set()

        async def met() -> bool:
            wanted.update(await s.add(20, priority=len(wanted) % 7))
            for name in list(await s.queue())[:3]:  # somebody deletes what only one of them may put anew
                await s.remove(name)
            return sum(relay.journal.counts["remove-other"] for relay in relays) > 0

        await until(met, "both putting the same job")
        await until(lambda: _agree(s, wanted), "one entry for each job")
        (job,) = await s.add()
        await s.published(job)
        await until(lambda: _agree(s, wanted | {job}), "one entry for each job")
        await until(lambda: _none_taken(s), "nothing being looked at any more")

    play(scene, host, tmp_path)


def test_what_it_had_taken_to_remove_is_given_back_when_it_is_stopped(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.relay()
        task = s.run(relay)
        (job,) = await s.add()
        await s.published(job)
        take_names, taken = relay._queue.take_names, asyncio.Event()

        async def slow(names: Any) -> Any:
            takes = await take_names(names)
            taken.set()
            await asyncio.sleep(0)
            return takes

        relay._queue.take_names = slow
        twin = await s.put(job)
        await taken.wait()
        task.cancel()
        await s.gone(twin)
        assert await s.children("taken") == []

    play(scene, host, tmp_path)


def test_a_folder_that_somebody_deleted_is_made_anew(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        await s.running()
        (job,) = await s.add()
        await s.published(job)
        await s.ask("delete", "entries", recursive=True)
        await s.published(job)
        (other,) = await s.add()
        await s.published(other)

    play(scene, host, tmp_path)


def test_a_new_session_goes_on(host: str, tmp_path: Path) -> None:
    async def scene(s: Scene) -> None:
        relay = await s.running()
        (job,) = await s.add()
        name = await s.published(job)
        before = relay._session.name
        link = relay._session.current
        assert link
        await s.ask("set", f"entries/{name}", b"job/00000000-0000-0000-0000-000000000000")  # as after a wipe
        from kazoo.client import KazooClient

        thief = KazooClient(s.host, client_id=link.credentials)
        await asyncio.to_thread(thief.start)
        await asyncio.to_thread(thief.stop)
        thief.close()
        await until(lambda: relay._session.good and relay._session.name != before, "a new session")
        (other,) = await s.add()
        await s.published(other)
        again = await s.published(job)
        assert again != name
        await s.gone(name)
        await s.remove(again)  # and watches again
        assert await s.published(job) != again
        assert relay._session.name in await inspection.members(relay._session)

    play(scene, host, tmp_path)


def far_away(relay: Relay) -> None:
    """As if the queue were long, and had just been compared: the next time is not soon."""
    relay._next_comparison = relay._loop.time() + 3600


async def _agree(s: Scene, jobs: set[str]) -> bool:
    """Exactly one entry for each of these, the one that is noted."""
    entries = await s.queue()
    noted = {job: await s.entry(job) for job in jobs}
    return len(entries) == len(jobs) and {job: name for name, job in entries.items()} == noted


async def _none_taken(s: Scene) -> bool:
    return await s.children("taken") == []


async def _count(s: Scene, count: int) -> bool:
    return len(await s.children("entries")) == count


def test_a_connection_lost_while_holds_are_judged_starts_the_wait_anew(host: str, tmp_path: Path) -> None:
    """Guard: the members that are listed after a reconnect may be those of a wiped disk."""

    async def scene(s: Scene) -> None:
        relay = await s.relay()
        (job,) = await s.add()
        assert (await s.claim("executor-00000000000000aa", "entry-999-0000000000", job))[0] == 1
        s.longest_session = 100.0
        relay._connected -= 101.0  # the wait is over
        assert relay._until_judging() <= 0
        read = s.store.read

        async def read_while_the_connection_is_lost(query: Any, *arguments: Any) -> Any:
            if query is publishing.holds:
                relay._session.current.cut()
            return await read(query, *arguments)

        s.store.read = read_while_the_connection_is_lost  # type: ignore[assignment, method-assign]
        await relay._judge_holds()
        s.store.read = read  # type: ignore[method-assign]
        assert await s.row(job, "state") == ("RUNNING",)
        assert relay._judge, "it is judged once the wait is over"
        relay._connected -= 101.0
        await relay._judge_holds()
        assert await s.row(job, "state") == ("QUEUED",)

    play(scene, host, tmp_path)
