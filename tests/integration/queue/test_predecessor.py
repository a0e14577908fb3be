"""Ending a dead predecessor's session: its takes are free at once, and nobody else's session is touched."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

from job_engine.queue import LockingQueue, Session, ZooKeeper, predecessor
from tests import zookeeper
from tests.integration.queue.scene import TIMEOUT, Stage, play, until


def settings(stage: Stage, host: str = "", timeout: float = TIMEOUT) -> ZooKeeper:
    return ZooKeeper(hosts=host or stage.host, path=stage.path, session_timeout=timeout)


def test_what_a_killed_process_had_taken_is_free_at_once(host, tmp_path):
    """Guard: the session is ended, long before its timeout."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        await ours.queue.put("job/1")
        file = tmp_path / "session"
        process = multiprocessing.get_context("spawn").Process(target=_hold, args=(host, stage.path, file), daemon=True)
        process.start()
        await until(lambda: stage.children("taken"), "its take")
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.join)
        assert file.stat().st_mode & 0o777 == 0o600
        assert await stage.children("taken"), "a killed process leaves its session to the timeout"
        assert await predecessor.end(settings(stage), file)
        assert await stage.children("taken") == []
        assert await stage.children("members") == [ours.session.name]
        assert not file.exists()
        assert not await predecessor.end(settings(stage), file), "nothing is noted any more"

    play(scene, host)


def _hold(host: str, path: str, file: Path) -> None:
    async def hold() -> None:
        # The longest timeout that the test servers grant: nothing ends by it while the test looks.
        session = Session(ZooKeeper(hosts=host, path=path, session_timeout=20 * zookeeper.TICK / 1000))
        queue = LockingQueue(session)
        await session.start()
        predecessor.save(file, session.credentials)
        await queue.take(1)
        await asyncio.Event().wait()

    asyncio.run(hold())


def test_a_session_that_is_over_or_not_ours_is_left_alone(host, tmp_path):
    """Guard: the id is compared. kazoo silently begins a new session instead of one that is gone."""

    async def scene(stage: Stage) -> None:
        ours = await stage.member()
        file = tmp_path / "session"
        number, password = ours.session.credentials
        wrong = predecessor.SessionCredentials(number, bytes(len(password)))
        for credentials in (wrong, predecessor.SessionCredentials(4711, password)):
            predecessor.save(file, credentials)
            assert not await predecessor.end(settings(stage), file)
            assert not file.exists()
        assert await stage.children("members") == [ours.session.name]
        assert "lapsed" not in ours.witness.told, "the server cuts its connection, and the session goes on"
        file.write_text("not a session\n")
        assert not await predecessor.end(settings(stage), file)

    play(scene, host)


def test_without_an_answer_the_session_stays_noted(tmp_path):
    async def scene(stage: Stage) -> None:
        file = tmp_path / "session"
        predecessor.save(file, predecessor.SessionCredentials(-5, b"\x01" * 16))
        nobody = settings(stage, f"127.0.0.1:{zookeeper.free_port()}")
        assert not await predecessor.end(nobody, file, within=0.3)
        assert file.read_text() == f"-5 {'01' * 16}\n"
        predecessor.forget(file)
        predecessor.forget(file)

    play(scene, "")


def test_a_new_session_has_new_credentials_before_anything_is_taken_in_it(host, tmp_path):
    async def scene(stage: Stage) -> None:
        session = Session(settings(stage))
        noted = []

        class Notes:
            def on_session_lapsed(self) -> None: ...
            async def on_reconnected(self, link) -> None: ...
            def on_session_renewed(self, link) -> None:
                noted.append((link.credentials, session.good))

        session.add(Notes())
        await session.start()
        stage.push_async_callback(session.close)
        assert noted == [(session.credentials, False)]
        assert noted[0][0].session == session.current.session

    play(scene, host)
