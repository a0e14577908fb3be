"""Three servers: a follower that is cut off answers pings and reads; leaders die; a quorum goes away and comes back."""

import asyncio
import signal

import pytest

from job_engine.queue import EndOutcome, wire
from tests import zookeeper
from tests.integration.queue.candidates import candidate
from tests.integration.queue.scene import Stage, play, until


@pytest.fixture
def link():
    """The way of server 1 to server 3, the leader."""
    made = []

    def between(number, port):
        if number != 2:
            return port
        made.append(zookeeper.Proxy(port))
        return made[0].port

    with zookeeper.ensemble(links=between, sync_limit=40) as servers:
        yield made[0], servers
    made[0].close()


def test_a_follower_that_is_cut_off_answers_reads_and_holds_nothing(link):
    """Guard: the heartbeat is a write. Reads are answered for longer than the session lives."""
    proxy, servers = link

    async def scene(stage: Stage) -> None:
        ours = await stage.member(servers[0].host)
        stage.host = servers[2].host
        name = await ours.queue.put("job/1")
        await ours.queue.take(1)
        held = []
        ours.witness.at_lapse = lambda: held.append(stage._stranger.exists(f"{stage.path}/taken/{name}"))
        await stage.children("taken")
        server = ours.session.current
        proxy.set(up="hold", down="hold")
        assert await server.call(wire.exists(server.path(stage.path, "taken", name))), "a read is answered"
        await until(lambda: "lapsed" in ours.witness.told, "the deadline")
        assert held == [held[0]]
        assert held[0], "we stop before the leader frees the entry"

    play(scene, servers[0].host)


def test_the_leader_dies_and_the_quorum_comes_back():
    with zookeeper.ensemble() as servers:

        async def scene(stage: Stage) -> None:
            ours = await stage.member(timeout=4.0)
            session = ours.session.name
            await ours.queue.put_many([(f"job/{n}", n) for n in range(3)])
            (taken,) = await ours.queue.take(1)
            leader = next(server for server in servers if "Mode: leader" in server.ask("srvr"))
            await asyncio.to_thread(leader.kill)
            outcome = await ours.queue.consume([taken])
            if ours.session.name == session:
                assert outcome == [EndOutcome.DONE]
            other = next(server for server in servers if server.process)
            other.send(signal.SIGSTOP)
            await until(lambda: "lapsed" in ours.witness.told or not ours.session.good, "the quorum missing")
            other.send(signal.SIGCONT)
            got = await ours.queue.take(1)
            assert await ours.queue.consume(got) == [EndOutcome.DONE]

        play(scene, ",".join(server.host for server in servers))


def test_a_leader_on_a_follower_that_is_cut_off_stops_before_another_leads(link):
    """Guard: the term ends at the session's deadline, which writes alone prolong."""
    proxy, servers = link

    async def scene(stage: Stage) -> None:
        ours = await candidate(stage, "ours")
        await until(lambda: ours.election.leading)
        stage.host = servers[2].host
        other = await candidate(stage, "other", run=False)
        seen = []

        async def work(lead):
            seen.append((ours.election.leading, ours.ended))

        running = asyncio.create_task(other.election.run(work))
        proxy.set(up="hold", down="hold")
        await running
        assert seen == [(False, 1)]

    play(scene, servers[0].host)


def test_the_server_that_we_are_on_dies_and_the_session_goes_on_at_another():
    with zookeeper.ensemble(tick=500) as servers:

        async def scene(stage: Stage) -> None:
            ours = await stage.member(timeout=10.0)
            await ours.queue.put("job/1")
            taken = await ours.queue.take(1)
            port = ours.session.current._client._connection._socket.getpeername()[1]
            await asyncio.to_thread(next(server for server in servers if server.port == port).kill)
            assert await ours.queue.consume(taken) == [EndOutcome.DONE]
            assert ours.witness.told == ["renewed", "returned"]

        play(scene, ",".join(server.host for server in servers))
