"""What servers of different versions do not know must cost no session, and is asked for once."""

import asyncio

import pytest
from kazoo.exceptions import UnimplementedError

from job_engine.queue import EndOutcome, wire
from tests import zookeeper
from tests.integration.queue.scene import Stage, play, until

NEWER = {"getEphemerals": 103, "getAllChildrenNumber": 104, "setWatches2": 105, "addWatch": 106, "multiRead": 22}


async def work(stage: Stage, ours, count: int = 40) -> None:
    """Takes whose reads travel with them, many under way together."""
    await ours.queue.put_many([(f"job/{n}", 1) for n in range(count)])
    taken = []
    while len(taken) < count:
        taken += await ours.queue.take(count)
    assert sorted(one.job for one in taken) == sorted(f"job/{n}" for n in range(count))
    assert set(await ours.queue.consume(taken)) == {EndOutcome.DONE}


def test_takes_and_their_reads_cost_no_session(host, version):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        for _ in range(5):
            await work(stage, ours)
        assert ours.witness.told == ["renewed"], "one session, one connection"
        assert ours.session.current._reads_many == (version == zookeeper.NEW)

    play(scene, host)


def test_what_a_server_lacks_is_asked_for_once(host, version):
    """A server before 3.6 closes the connection in which it is asked; the next session, and reconnects, ask no more."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        ours.session.current.cut()
        await until(lambda: ours.witness.told[-1] == "returned" and ours.session.good, "the session being good again")
        await work(stage, ours)
        await stage.expire(ours)
        await until(lambda: ours.witness.told[-1] == "renewed" and ours.session.good, "another session")
        await work(stage, ours)
        assert ours.witness.told == ["renewed", "returned", "lapsed", "renewed"]

    play(scene, host)


@pytest.mark.parametrize("name", sorted(NEWER))
def test_a_newer_operation_ends_the_connection_to_an_old_server_and_no_more(host, version, name):
    """Why we use but one of them, after a probe: what an older server does when it is asked for a newer operation."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        link, session = ours.session.current, ours.session.name
        paths = {103: wire._text(b"/"), 104: wire._text(b"/"), 106: wire._text(b"/") + wire._INT.pack(1)}
        body = paths.get(NEWER[name], wire._END)
        (answer,) = await link.responses(link.send(wire.Request(NEWER[name], body, lambda buffer, offset: None)))
        if version == zookeeper.OLD:
            assert isinstance(answer, UnimplementedError)
            await until(lambda: ours.witness.told == ["renewed", "returned"], "the connection having ended")
        await work(stage, ours)
        assert ours.session.name == session

    play(scene, host)


def test_an_upgrade_under_a_session_and_back():
    """The session is kept, and each connection asks anew whether its server can: behind one address may be several."""

    async def scene(stage: Stage, server: zookeeper.Server) -> None:
        ours = await stage.member(timeout=4.0)
        name = ours.session.name
        for version in (zookeeper.OLD, zookeeper.NEW):
            without_multi_read = ours.session._without_multi_read
            without_multi_read._until.clear()  # as if the time for which it is remembered were over
            server.kill()
            server.version = version
            await asyncio.to_thread(server.start)
            await until(lambda: ours.session.good, "the session being good again")
            await work(stage, ours)
            assert ours.session.current._reads_many == (version == zookeeper.NEW)
        assert ours.session.name == name

    with zookeeper.server(tick=400, extra="snapshot.trust.empty=true", version=zookeeper.NEW) as server:
        play(lambda stage: scene(stage, server), server.host)
