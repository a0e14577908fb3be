import asyncio
import os
import socket
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from job_engine.executor import alone
from job_engine.executor.holds import Held, Holds
from job_engine.executor.messages import Loaded, Setup
from job_engine.executor.pool import Pool
from job_engine.executor.process import Process
from job_engine.job.attend import Granted

SETUP = Setup(
    api_url="http://127.0.0.1:1", username=None, password=None, key=None, secret=None, header=None,
    threads=1, actions=[], entry_points=False, log_level="INFO",
)  # fmt: skip


class Listener:
    def __init__(self) -> None:
        self.news = asyncio.Event()

    def on_loaded(self, loaded: Loaded) -> bool:
        return True

    def on_change(self) -> None:
        self.news.set()


def unstarted(holds: Holds) -> list[int]:
    """The jobs that were given back before they began."""
    return [end.seq for end in holds.batch().released if end.why == "unstarted"]


async def test_the_timer_of_a_job_ends_with_it() -> None:
    """An hour's limit on each of a million short jobs would keep a million timers."""

    holds = Holds()
    pool = Pool(holds, Listener(), SETUP, 0)
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}")), 0.0)
    held.timer = asyncio.get_running_loop().call_later(3600, pool.kill)
    pool.give_back()
    pool.add([held])
    assert unstarted(holds) == [1]
    assert held.timer.cancelled()


async def test_a_worker_process_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(24, "too many open files")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(socket, "socketpair", refuse)
    with pytest.raises(OSError, match="too many"):
        Process(Pool(Holds(), Listener(), SETUP, 0), SETUP)
    assert os.listdir("/proc/self/fd") == before


async def test_a_process_whose_import_hangs_does_not_keep_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(3600)\n")
    setup = msgspec.structs.replace(SETUP, threads=2, actions=[str(tmp_path / "hangs.py")])
    monkeypatch.setattr(alone, "LOADED_WITHIN", 0.0)

    holds, listener = Holds(), Listener()
    pool = Pool(holds, listener, setup, 1)
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}"), alone=True), 0.0)
    pool.add([held])
    try:
        async with asyncio.timeout(60):
            while not holds.urgent:
                await listener.news.wait()
                listener.news.clear()
        assert unstarted(holds) == [1]
    finally:
        pool.kill()
        async with asyncio.timeout(60):
            while pool.alive:
                await listener.news.wait()
                listener.news.clear()


async def test_no_process_is_started_for_a_job_after_the_kill() -> None:
    holds = Holds()
    pool = Pool(holds, Listener(), msgspec.structs.replace(SETUP, threads=2), 1)
    pool.kill()
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}"), alone=True), 0.0)
    pool.add([held])
    assert unstarted(holds) == [1]
    assert not pool.alive
