"""The session: its member, its calls, and the ways back."""

import asyncio
import math
import shutil
import signal
import socket
import threading
import time

import pytest

from job_engine.job.errors import Forbidden, Unreachable
from job_engine.queue import EndOutcome, Session, Unanswered, ZooKeeper, boottime, parse_acl, wire
from job_engine.queue.link import RECONNECT_SECONDS, Link
from tests import zookeeper
from tests.integration.queue.scene import TIMEOUT, Stage, keep_sending, play, until


def test_the_member_node_is_named_by_the_session_and_goes_with_it(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(kind="relay", about=b"here")
        assert ours.session.name == f"relay-{ours.session.current.session & (2**64 - 1):016x}"
        data, stat = await stage.ask("get", f"members/{ours.session.name}")
        assert (data, stat.ephemeralOwner) == (b"here", ours.session.current.session)
        await ours.session.close()
        assert await stage.children("members") == []

    play(scene, host)


def test_suspended_pauses_taking(host, proxy):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host)
        proxy.set(refuse=True)
        proxy.cut()
        await until(lambda: not ours.session.good)
        await stage.ask("create", "entries/entry-001-", b"job/1", sequence=True)
        waiting = asyncio.create_task(ours.queue.take(1))
        proxy.set(refuse=False)
        (taken,) = await waiting
        assert taken.job == "job/1"
        assert ours.witness.told == ["renewed", "returned"], "no deadline passed"

    play(scene, host)


def test_watches_are_set_again_after_a_reconnect(host, proxy):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host)
        waiting = asyncio.create_task(ours.queue.take(1))
        await until(lambda: ours.queue._view.listings, "an idle listing")
        listings = ours.queue._view.listings
        proxy.cut()
        await until(lambda: "returned" in ours.witness.told and ours.queue._view.listings > listings)
        await stage.ask("create", "entries/entry-001-", b"job/1", sequence=True)
        assert [t.job for t in await waiting] == ["job/1"]

    play(scene, host)


def test_a_new_session_knows_nothing_of_the_old(host):
    """Guard: names come back, so nothing taken in one session is ended in the next."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        name = await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        old = ours.session.name
        await stage.expire(ours)
        await until(lambda: ours.session.good and ours.session.name != old, "a new session")
        assert ours.witness.told == ["renewed", "lapsed", "renewed"]
        assert ours.queue.held == []
        assert await ours.queue.consume(taken) == [EndOutcome.REFUSED]
        assert await stage.children("entries") == [name]
        assert [t.name for t in await ours.queue.take(1)] == [name]

    play(scene, host)


def test_what_was_left_to_others_is_forgotten_with_the_session(host):
    """Guard: names come back for other jobs."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        name = await ours.queue.put("job/1")
        assert await ours.queue.release(await ours.queue.take(1), avoid=math.inf) == [EndOutcome.DONE]
        old = ours.session.name
        await stage.expire(ours)
        assert [t.name for t in await ours.queue.take(1)] == [name]
        assert ours.session.name != old

    play(scene, host)


def test_no_call_made_for_one_session_runs_in_the_next(host):
    """Guard: kazoo goes on in a new session by itself, and sends there what was asked just after the expiry."""

    async def scene(stage: Stage) -> None:
        changed = asyncio.Event()
        link = Link(ZooKeeper(hosts=host, session_timeout=TIMEOUT), changed.set)
        tries, connect = [], link._client._connection._connect

        def count(*address):
            tries.append(address)
            return connect(*address)

        link._client._connection._connect = count
        link.open()
        await until(lambda: link.connected)
        first = link.session
        thief = await asyncio.to_thread(_steal, host, link.credentials)
        assert thief == first
        await until(lambda: link.ended)
        before = len(tries)
        await until(lambda: len(tries) > before + 1, "kazoo trying to go on")
        assert (link.connected, link.session) == (False, first)
        (answer,) = await link.responses(link.send(wire.exists(b"/")))
        assert type(answer).__name__ == "SessionLost"
        await link.close()

    play(scene, host)


def _steal(host, credentials):
    from kazoo.client import KazooClient

    thief = KazooClient(host, client_id=credentials)
    thief.start()
    number = thief.client_id[0]
    thief.stop()
    thief.close()
    return number


def test_a_call_is_time_boxed(host, proxy):
    """Guard: also where no heartbeat would notice."""

    async def scene(stage: Stage) -> None:
        link = Link(ZooKeeper(hosts=proxy.host, session_timeout=TIMEOUT), lambda: None)
        link.open()
        await until(lambda: link.connected)
        proxy.set(down="hold")
        kept_busy = asyncio.create_task(keep_sending(link))  # else kazoo's own ping would notice
        with pytest.raises(Unanswered):
            await link.call(wire.exists(b"/"))
        kept_busy.cancel()
        proxy.set(down="pass")
        await until(lambda: link.connected)
        await link.close()

    play(scene, host)


def test_reconnecting_is_tried_often(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        assert ours.session.current._client._connection.retry_sleeper.max_delay == RECONNECT_SECONDS

    play(scene, host)


def test_without_a_way_back_a_new_client_is_made(host, proxy):
    """Guard: kazoo itself would wait for ever, e.g. for a server whose disk was wiped."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host, timeout=0.5)
        old = ours.session.current
        proxy.set(up="hold", down="hold")
        await until(lambda: ours.session.current is not old, "a new client")
        assert ours.witness.told == ["renewed", "lapsed"]
        proxy.set(up="pass", down="pass")
        await until(lambda: ours.session.good)

    play(scene, host)


def test_a_wiped_server_costs_time(server):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(timeout=1.0)
        await ours.queue.put_many([(f"job/{n}", 1) for n in range(9)])
        await ours.queue.take(1)
        old = ours.session.name
        await asyncio.to_thread(server.kill)
        shutil.rmtree(server.folder / "data")
        await asyncio.to_thread(server.start)
        await until(lambda: ours.session.good and ours.session.name != old)
        assert ours.witness.told == ["renewed", "lapsed", "renewed"]
        name = await ours.queue.put("job/new")
        assert [(t.name, t.job) for t in await ours.queue.take(1)] == [(name, "job/new")]

    play(scene, server.host)


def test_a_member_that_is_gone_ends_the_session(host):
    """An older copy of the server's disk may have our session and not our member."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        old = ours.session.name
        await stage.ask("delete", f"members/{old}")
        await until(lambda: ours.session.good and ours.session.name != old)
        assert ours.witness.told == ["renewed", "lapsed", "renewed"]
        assert await stage.children("members") == [ours.session.name]

    play(scene, host)


def test_a_paused_server_and_a_restarted_one(server):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await ours.queue.put_many([("job/1", 1), ("job/2", 2)])
        (first,) = await ours.queue.take(1)
        server.send(signal.SIGSTOP)
        await until(lambda: "lapsed" in ours.witness.told, "the deadline")
        server.send(signal.SIGCONT)
        await until(lambda: ours.session.good)
        (again,) = await ours.queue.take(1)
        assert (again.job, await ours.queue.consume([first])) == ("job/1", [EndOutcome.REFUSED])
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        assert await ours.queue.consume([again]) in ([EndOutcome.DONE], [EndOutcome.UNKNOWN], [EndOutcome.REFUSED])
        assert (await ours.queue.take(1))[0].job in ("job/1", "job/2")

    play(scene, server.host)


def test_a_part_that_fails_stops_nobody(host, caplog):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()

        def fail() -> None:
            raise RuntimeError("a fault in a part")

        ours.witness.at_lapse = fail
        await stage.expire(ours)
        await until(lambda: ours.witness.told == ["renewed", "lapsed", "renewed"])

    play(scene, host)
    assert "a fault in a part" in caplog.text


def test_a_fault_of_ours_ends_its_session_and_another_begins(host, caplog):
    """Guard: the parts are told, so nobody goes on with what nobody renews any more."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        first = ours.session.name

        def moved() -> None:
            ours.session.on_extended = lambda: None
            raise ValueError("a fault of ours")

        ours.session.on_extended = moved
        await until(lambda: len(ours.witness.told) == 3 and ours.session.good, "another session")
        assert ours.witness.told == ["renewed", "lapsed", "renewed"]
        assert ours.session.name != first

    play(scene, host)
    (told,) = [record for record in caplog.records if "a fault of ours" in record.message]
    assert told.exc_info


def test_chroot_digest_and_rights(host):
    async def scene(stage: Stage) -> None:
        from kazoo.security import make_digest_acl_credential

        rights = parse_acl(f"digest:{make_digest_acl_credential('us', 'secret')}:cdrwa")
        chroot = f"{host}/rooms{stage.path}"
        ours = await stage.member(chroot, settings={"auth": (("digest", "us:secret"),), "acl": (rights,)})
        name = await ours.queue.put("job/1")
        (taken,) = await ours.queue.take(1)
        assert (taken.name, taken.job) == (name, "job/1")
        client = await stage.kazoo()
        node = f"/rooms{stage.path}{stage.path}/taken/{name}"
        assert await asyncio.to_thread(client.exists, node)
        for path in (node, node.replace("taken", "entries"), f"/rooms{stage.path}{stage.path}/members"):
            acls, _ = await asyncio.to_thread(_acl_of, host, path)
            assert [acl.id.scheme for acl in acls] == ["digest"]
        stranger = Session(ZooKeeper(hosts=chroot, path=stage.path, session_timeout=TIMEOUT))
        with pytest.raises(Forbidden):
            await stranger.start(within=3)
        assert await ours.queue.consume([taken]) == [EndOutcome.DONE]

    play(scene, host)


def _acl_of(host, path):
    from kazoo.client import KazooClient

    client = KazooClient(host, auth_data=[("digest", "us:secret")])
    client.start()
    try:
        return client.get_acls(path)
    finally:
        client.stop()
        client.close()


def test_what_kazoo_sees_on_its_threads_reaches_us_in_our_loop(host):
    """Guard: kazoo's callbacks only put something into a box; anything else there delays or deadlocks the client."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        seen = []
        fire, tell = ours.queue._view._entries.fire, ours.session.current._changed

        def fired() -> None:
            seen.append(("watch", threading.current_thread()))
            fire()

        def told() -> None:
            seen.append(("state", threading.current_thread()))
            tell()

        ours.queue._view._entries.fire, ours.session.current._changed = fired, told
        waiting = asyncio.create_task(ours.queue.take(1))
        await until(lambda: ours.queue._view.listings, "an idle listing")
        await ours.queue.put("job/1")
        await waiting
        ours.session.current._client._connection._socket.shutdown(socket.SHUT_RDWR)
        await until(lambda: "returned" in ours.witness.told)
        assert {kind for kind, _ in seen} == {"watch", "state"}
        assert {thread for _, thread in seen} == {threading.main_thread()}

    play(scene, host)


async def test_a_start_that_is_given_up_leaves_nothing_behind():
    session = Session(ZooKeeper(hosts="127.0.0.1:1", session_timeout=TIMEOUT))
    before = asyncio.all_tasks()
    starting = asyncio.create_task(session.start())
    await until(lambda: session.current is not None, "it trying to connect")
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert asyncio.all_tasks() == before


async def test_a_start_is_given_up_though_the_server_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        session = Session(ZooKeeper(hosts=f"127.0.0.1:{silent.getsockname()[1]}", session_timeout=120.0))
        starting = asyncio.create_task(session.start(60))
        connection, _ = await asyncio.to_thread(silent.accept)
        starting.cancel()
        async with asyncio.timeout(20):  # far from the session timeout, which is how long an answer is waited for
            await asyncio.wait([starting])
        connection.close()


def test_nobody_there_is_an_error_that_says_so():
    async def scene(stage: Stage) -> None:
        session = Session(ZooKeeper(hosts=f"127.0.0.1:{zookeeper.free_port()}"))
        with pytest.raises(Unreachable, match="is unreachable"):
            await session.start(within=0.5)

    play(scene, "")


def test_the_clock_goes_on_while_the_machine_sleeps():
    assert boottime() >= time.monotonic() - 1
