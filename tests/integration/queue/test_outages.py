"""Disks that forget, a server that stands still, a machine that dies: what was taken before ends nothing after."""

import asyncio
import multiprocessing
import os
import shutil
import signal

import pytest

from job_engine.queue import EndOutcome, LockingQueue, Session, ZooKeeper, inspection
from tests import zookeeper
from tests.integration.queue.scene import TIMEOUT, Stage, play, until


@pytest.mark.parametrize("disk", ["wiped", "an older copy"])
def test_names_come_back_and_a_take_from_before_ends_none_of_them(server, disk):
    """Guards: nothing of an old session is used in a new one, no token is made of versions or zxids: all go back."""

    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(timeout=1.0), await stage.member(timeout=1.0)
        await ours.queue.put("job/first")
        await asyncio.to_thread(server.kill)
        copy = server.folder / "copy"
        shutil.copytree(server.folder / "data", copy)
        await asyncio.to_thread(server.start)
        consumed = await ours.queue.take(1)
        assert await ours.queue.consume(consumed) == [EndOutcome.DONE]
        name = await ours.queue.put("job/second")
        taken = await ours.queue.take(1)
        session, links = ours.session.name, (ours.session.current, other.session.current)
        await asyncio.to_thread(server.kill)
        # an old disk knows our session, and would go on with it for who comes back in time
        await until(lambda: ours.session.current is not links[0] and other.session.current is not links[1])
        shutil.rmtree(server.folder / "data")
        if disk == "an older copy":
            copy.rename(server.folder / "data")
        await asyncio.to_thread(server.start)
        await until(lambda: ours.session.good and ours.session.name != session and other.session.good)
        back = await inspection.jobs_of(ours.session, await inspection.names(ours.session))
        assert list(back.values()) == ([] if disk == "wiped" else ["job/first"]), "a consumed entry is back"
        names = [await ours.queue.put("job/other") for _ in range(2)]
        assert name in [*back, *names], "the name of what we had taken belongs to another job"
        theirs = []
        while len(theirs) < len(back) + 2:
            theirs += await other.queue.take(3)
        assert {t.job for t in theirs} == {*back.values(), "job/other"}, "what a name holds is read anew"
        assert await ours.queue.consume(taken) == await ours.queue.release(taken) == [EndOutcome.REFUSED]
        assert len(await stage.children("entries")) == len(await stage.children("taken")) == len(theirs)
        assert set(await other.queue.consume(theirs)) == {EndOutcome.DONE}

    play(scene, server.host)


def test_a_server_that_stands_still_for_longer_than_the_timeout(server):
    """Guards: the deadline; a new client; the gate is closed until both are through."""

    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(timeout=1.0), await stage.member(timeout=1.0)
        await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        session, link = ours.session.name, ours.session.current
        server.send(signal.SIGSTOP)
        await until(lambda: ours.session.current is not link, "a new client, so more than the timeout has passed")
        assert ours.witness.told == ["renewed", "lapsed"]
        server.send(signal.SIGCONT)
        await until(lambda: ours.session.good and other.session.good)
        assert ours.session.name != session
        (again,) = await other.queue.take(1)
        assert again.job == "job/1"
        assert await ours.queue.consume(taken) == [EndOutcome.REFUSED]
        assert await other.queue.consume([again]) == [EndOutcome.DONE]

    play(scene, server.host)


def test_what_a_frozen_machine_had_taken_is_free_after_its_timeout(host):
    """Guard: nobody but the server ends it, T to T + tick after its last word; and what it says later is refused."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await ours.queue.put("job/1")
        near, far = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_consume_when_told, args=(host, stage.path, far))
        process.start()
        try:
            assert await asyncio.to_thread(near.poll, zookeeper.PATIENCE)
            assert near.recv() == "taken"
            os.kill(process.pid, signal.SIGSTOP)
            (taken,) = await ours.queue.take(1)
            assert taken.job == "job/1"
            near.send("consume")
            os.kill(process.pid, signal.SIGCONT)
            assert await asyncio.to_thread(near.poll, zookeeper.PATIENCE)
            assert near.recv() in ("REFUSED", "UNKNOWN")
            assert await stage.children("entries") == [taken.name]
            assert await ours.queue.consume([taken]) == [EndOutcome.DONE]
        finally:
            process.kill()
            await asyncio.to_thread(process.join)

    play(scene, host)


def _consume_when_told(host: str, path: str, pipe) -> None:
    async def take() -> None:
        session = Session(ZooKeeper(hosts=host, path=path, session_timeout=TIMEOUT))
        queue = LockingQueue(session)
        await session.start()
        taken = await queue.take(1)
        pipe.send("taken")
        await asyncio.to_thread(pipe.recv)
        pipe.send((await queue.consume(taken))[0].name)

    asyncio.run(take())
