import asyncio
import os
import socket
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from job_engine.executor import alone
from job_engine.executor.holds import Held
from job_engine.executor.messages import Loaded, Setup
from job_engine.executor.pool import Pool
from job_engine.executor.process import Process
from job_engine.job.attend import Finished, Granted, Released, Write

SETUP = Setup(
    api_url="http://127.0.0.1:1", username=None, password=None, key=None, secret=None, header=None,
    threads=1, actions=[], entry_points=False, log_level="INFO",
)  # fmt: skip


class Keeper:
    def __init__(self) -> None:
        self.gone: list[Held] = []
        self.news = asyncio.Event()

    def loaded(self, loaded: Loaded) -> bool:
        return True

    def wrote(self, held: Held, write: Write) -> None:
        return

    def finished(self, held: Held, finished: Finished) -> None:
        return

    def released(self, held: Held, released: Released) -> None:
        self.gone.append(held)

    def changed(self) -> None:
        self.news.set()


async def test_the_timer_of_a_job_ends_with_it() -> None:
    """An hour's limit on each of a million short jobs would keep a million timers."""

    keeper = Keeper()
    pool = Pool(keeper, SETUP, 0)
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}")), 0.0)
    held.timer = asyncio.get_running_loop().call_later(3600, keeper.changed)
    pool.give_back()
    pool.add([held])
    assert keeper.gone == [held]
    assert held.timer.cancelled()


async def test_a_worker_process_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(24, "too many open files")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(socket, "socketpair", refuse)
    with pytest.raises(OSError, match="too many"):
        Process(Keeper(), SETUP)
    assert os.listdir("/proc/self/fd") == before


async def test_a_process_whose_import_hangs_does_not_keep_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs.py").write_text("import time\ntime.sleep(3600)\n")
    setup = msgspec.structs.replace(SETUP, threads=2, actions=[str(tmp_path / "hangs.py")])
    monkeypatch.setattr(alone, "LOADED_WITHIN", 0.0)

    keeper = Keeper()
    pool = Pool(keeper, setup, 1)
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}"), alone=True), 0.0)
    pool.add([held])
    try:
        async with asyncio.timeout(60):
            while not keeper.gone:
                await keeper.news.wait()
                keeper.news.clear()
        assert keeper.gone == [held]
    finally:
        pool.kill()
        async with asyncio.timeout(60):
            while pool.alive:
                await keeper.news.wait()
                keeper.news.clear()


async def test_no_process_is_started_for_a_job_after_the_kill() -> None:
    keeper = Keeper()
    pool = Pool(keeper, msgspec.structs.replace(SETUP, threads=2), 1)
    pool.kill()
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}"), alone=True), 0.0)
    pool.add([held])
    assert keeper.gone == [held]
    assert not pool.alive
