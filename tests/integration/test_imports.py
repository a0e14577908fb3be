"""Modules that hang or end a worker process while they are imported are named in the log."""

import asyncio

import pytest

from job_engine.executor import process as module
from job_engine.executor.messages import Orders, Setup, frame
from job_engine.executor.process import Process
from tests.integration.engine_processes import until

WITHIN = 30.0


class Listener:
    def __init__(self):
        self.loaded, self.over = asyncio.Event(), asyncio.Event()

    def on_report(self, process, report):
        if report.loaded is not None:
            self.loaded.set()

    def on_end(self, process):
        self.how = process.how  # as who tells of it asks
        self.over.set()


def setup(folder):
    return Setup(
        api_url="http://127.0.0.1:1", username=None, password=None, key=None, secret=None, header=None,
        threads=1, actions=[str(folder)], entry_points=False, log_level="WARNING",
    )  # fmt: skip


@pytest.fixture(name="folder")
def a_folder(tmp_path):
    (tmp_path / "agood.py").write_text("from job_engine import action\n@action\ndef good(): ...\n")
    return tmp_path


def test_a_module_that_ends_the_process_is_named(folder):
    (folder / "zexit.py").write_text("import os; os._exit(3)\n")

    async def how():
        owner = Listener()
        process = Process(owner, setup(folder))
        await process.connect()
        await asyncio.wait_for(owner.over.wait(), WITHIN)
        return owner.how

    assert asyncio.run(how()) == f"exit code 3 while importing {folder / 'zexit.py'}"


def test_a_module_that_hangs_is_named(folder, monkeypatch, caplog):
    (folder / "zhang.py").write_text("import threading; threading.Event().wait()\n")
    monkeypatch.setattr(module, "SLOW_IMPORT", 0.1)

    async def hang():
        owner = Listener()
        process = Process(owner, setup(folder))
        await process.connect()
        try:
            async with asyncio.timeout(WITHIN):
                while str(folder / "zhang.py") not in caplog.text:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.02)
        finally:
            process.kill()
            await asyncio.wait_for(owner.over.wait(), WITHIN)

    asyncio.run(hang())
    assert "is still importing" in caplog.text


def test_of_what_is_loaded_nothing_is_said_later(folder):
    async def how():
        owner = Listener()
        process = Process(owner, setup(folder))
        await process.connect()
        await asyncio.wait_for(owner.loaded.wait(), WITHIN)
        process.kill()
        await asyncio.wait_for(owner.over.wait(), WITHIN)
        return owner.how

    assert asyncio.run(how()) == "killed by signal 9 (SIGKILL)"


def test_a_worker_process_says_nothing_when_its_supervisor_is_gone_while_it_imports(folder, capfd):
    """The supervisor has hung up, as it does when it stops: nobody is there to read what it imports."""
    at_import = folder / "begun"
    (folder / "aslow.py").write_text(
        f"import pathlib, time\npathlib.Path({str(at_import)!r}).touch()\n"
        f"while not pathlib.Path({str(folder / 'go')!r}).exists(): time.sleep(0.01)\n"
    )

    async def hang_up():
        owner = Listener()
        process = Process(owner, setup(folder))
        process._ours.sendall(frame(Orders(setup=setup(folder))))
        await asyncio.to_thread(until, at_import.exists, "the import")
        process._ours.close()
        (folder / "go").touch()
        await asyncio.to_thread(until, lambda: process.code is not None, "its end")

    asyncio.run(asyncio.wait_for(hang_up(), WITHIN))
    assert "Traceback" not in capfd.readouterr().err
