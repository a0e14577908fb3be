"""The deadline of a session: what moves it, and what happens when it passes."""

import asyncio

from job_engine.queue import EndOutcome, boottime, wire
from tests import zookeeper
from tests.integration.queue.scene import TIMEOUT, Stage, keep_sending, play, until


def test_the_timeout_is_what_the_server_grants(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member(timeout=3600.0)
        assert ours.session.granted == 20 * zookeeper.TICK / 1000
        assert ours.session.until - boottime() <= ours.session.granted * 2 / 3

    play(scene, host)


def test_the_heartbeat_is_a_write_with_one_outstanding(host):
    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        first = ours.session.until

        async def version() -> int:
            return (await stage.ask("get", f"members/{ours.session.name}"))[1].version

        before = await version()
        await until(lambda: ours.session.until > first + TIMEOUT / 5)
        assert await version() > before

    play(scene, host)


def test_at_the_deadline_the_jobs_are_told_while_the_session_lives(host, proxy):
    """Guards: the deadline; back in the same session, what we had taken is released."""

    async def scene(stage: Stage) -> None:
        ours, other = await stage.member(proxy.host, timeout=4.0), await stage.member()
        name = await ours.queue.put("job/1")
        taken = await ours.queue.take(1)
        session, link = ours.session.name, ours.session.current
        socket = link._client._connection._socket
        proxy.set(up="hold", down="hold")
        await until(lambda: "lapsed" in ours.witness.told, "the deadline")
        assert await stage.children("taken") == [name], "before the server ends the session"
        assert not ours.session.good
        assert ours.queue.held == []
        assert link._client._connection._socket is not socket or socket.fileno() < 0 or not link.connected
        proxy.set(up="pass", down="pass")
        await until(lambda: "returned" in ours.witness.told, "the way back")
        assert ours.session.name == session
        (theirs,) = await other.queue.take(1)
        assert theirs.name == name
        assert await ours.queue.consume(taken) == [EndOutcome.REFUSED]
        assert await stage.children("entries") == [name]

    play(scene, host)


def test_the_deadline_comes_for_who_keeps_sending_too(host, proxy):
    """Guard: the heartbeat's own limit. kazoo puts its ping off with each request and would never notice."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member(proxy.host, timeout=4.0)
        name = await ours.queue.put("job/1")
        await ours.queue.take(1)
        kept_busy = asyncio.create_task(keep_sending(ours.session.current))
        stage.callback(kept_busy.cancel)
        proxy.set(up="hold", down="hold")
        await until(lambda: "lapsed" in ours.witness.told, "the deadline")
        assert await stage.children("taken") == [name], "before the server ends the session"
        kept_busy.cancel()
        proxy.set(up="pass", down="pass")

    play(scene, host)


def test_a_passed_deadline_is_not_renewed_before_the_jobs_are_told(host):
    """Guard: a machine that slept, or a process that was stopped, finds a deadline passed and a server that answers."""

    async def scene(stage: Stage) -> None:
        ahead = 0.0
        ours = await stage.member(clock=lambda: boottime() + ahead)
        done = asyncio.Event()
        ours.witness.at_lapse = done.wait
        session = ours.session.name
        ahead = TIMEOUT
        assert not ours.session.good
        await until(lambda: "lapsed" in ours.witness.told)
        passed = ours.session.until
        link = ours.session.current
        await until(lambda: link.connected, "kazoo's reconnect")
        for _ in range(5):  # a heartbeat would long have been sent and answered
            await link.call(wire.exists(b"/"))
        assert ours.session.until == passed, "nothing is renewed while a job is being stopped"
        done.set()
        await until(lambda: ours.session.good)
        assert ours.witness.told == ["renewed", "lapsed", "returned"]
        assert ours.session.name == session

    play(scene, host)


def test_an_answer_that_was_waiting_when_the_process_woke_up_renews_nothing(host):
    """Guard: the deadline is looked at before the answer. After a SIGSTOP both are there at once."""

    async def scene(stage: Stage) -> None:
        ahead = 0.0
        ours = await stage.member(clock=lambda: boottime() + ahead)
        link = ours.session.current
        send = link.send

        def wake(answer: object) -> None:
            nonlocal ahead
            ahead = TIMEOUT * 0.6  # past the deadline, and not past the one that this answer would give

        def send_and_sleep(request):
            answer = send(request)
            answer.add_done_callback(wake)
            return answer

        link.send = send_and_sleep
        await until(lambda: ahead, "the next heartbeat")
        link.send = send
        await until(lambda: len(ours.witness.told) == 3)
        assert ours.witness.told == ["renewed", "lapsed", "returned"]

    play(scene, host)


def test_the_deadline_counts_from_the_sending(host):
    """Guard: the server may have heard it that early; the answer says only that it did."""

    async def scene(stage: Stage) -> None:
        ahead, sent = 0.0, None
        ours = await stage.member(clock=lambda: boottime() + ahead)
        link = ours.session.current
        send = link.send

        def late(answer: object) -> None:
            nonlocal ahead
            ahead = TIMEOUT * 0.3

        def send_and_wait(request):
            nonlocal sent
            if sent is None:
                sent = ours.session._clock()
                answer = send(request)
                answer.add_done_callback(late)
                return answer
            return asyncio.get_running_loop().create_future()  # no other heartbeat is answered

        first, link.send = ours.session.until, send_and_wait
        await until(lambda: ours.session.until != first, "the heartbeat's answer")
        assert ours.session.until <= sent + TIMEOUT * 2 / 3
        link.send = send

    play(scene, host)
