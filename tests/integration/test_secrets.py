"""What actions have of the credentials of the executor that runs them: nothing, but a client with their job's token."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.engine_processes import Engine
from tests.integration.running import WITHIN, start

ACTIONS = """
import contextvars
import os
import pathlib
import re
import subprocess
from threading import Thread

from job_engine import Client, Job, action


try:
    Client()
    IMPORTED = "made"
except Exception as error:
    IMPORTED = str(error)


@action
def child():
    pass


@action
def looks(job: Job):
    said = []

    def count():
        try:
            with Client() as client:
                said.append(client.count("action='looks'"))
        except Exception as error:
            said.append(str(error))

    count()
    for thread in (Thread(target=contextvars.copy_context().run, args=(count,)), Thread(target=count)):
        thread.start()
        thread.join()
    nested = child.options(parent=job.id).submit().id
    api = job.api.search("job", filter="action='looks'").count
    said.append(IMPORTED)
    return {"said": said, "api": api, "parent": job.api.get(nested).data["parent-job"]}


@action
def remembers(backwards: str):
    \"\"\"Where a word is that nobody has said here forwards.\"\"\"
    word = re.compile("".join(f"[{letter}]" for letter in reversed(backwards)).encode())
    children = subprocess.run(["env"], capture_output=True, check=True).stdout
    found = ["children"] if word.search(children) else []
    for process in (os.getpid(), os.getppid()):
        if word.search(pathlib.Path(f"/proc/{process}/cmdline").read_bytes()):
            found.append("ps")
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for span, rights, *_ in [line.split() for line in maps]:
            begin, end = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and end < 1 << 63:
                try:
                    memory.seek(begin)
                    found += ["memory"] if word.search(memory.read(end - begin)) else []
                except OSError:  # not to be read
                    continue
    return sorted(set(found))
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@contextmanager
def executor(engine: Engine, folder: Path, *more: str) -> Iterator[None]:
    (folder / "looking.py").write_text(ACTIONS)
    given = {
        "JOB_ENGINE_API_URL": engine.url,
        "JOB_ENGINE_API_USER": engine.admin["username"],
        "JOB_ENGINE_API_PASS": engine.admin["password"],
    }
    arguments = ("--actions", str(folder / "looking.py"), "--processes", "1", *more)
    started = start(folder / "executor.log", "executor", *arguments, environ=given)
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(WITHIN)
        except subprocess.TimeoutExpired:
            started.kill()


def test_an_action_works_for_the_owner_of_its_job(engine: Engine, tmp_path: Path) -> None:
    backwards = engine.admin["password"][::-1]
    theirs = engine.client.submit("looks", not_before="2100-01-01T00:00:00Z")
    with executor(engine, tmp_path):
        job = engine.client.submit("remembers", payload={"backwards": backwards})
        assert job.wait(WITHIN) == [], (tmp_path / "executor.log").read_text()
        own = engine.client._json("POST", "/api/job", b'{"action": "looks", "acl": {"owners": ["user/x"]}}')
        job = engine.client.job(own["resource-id"])
        done = job.wait(WITHIN)
        assert done["said"][:2] == [1, 1], "not those of others, which the executor sees"
        assert "no job runs in this thread" in done["said"][2]
        assert done["said"][3] == done["said"][2], "nor is a client any job's that is made while a module is imported"
        assert (done["api"], done["parent"]) == (1, job.id)
    theirs.cancel()


def test_an_executor_that_was_told_so_hands_out_its_credentials(engine: Engine, tmp_path: Path) -> None:
    theirs = engine.client.submit("looks", not_before="2100-01-01T00:00:00Z")
    with executor(engine, tmp_path, "--full-api"):
        job = engine.client.submit("remembers", payload={"backwards": engine.admin["password"][::-1]})
        assert job.wait(WITHIN) == ["memory"], (tmp_path / "executor.log").read_text()
        own = engine.client._json("POST", "/api/job", b'{"action": "looks", "acl": {"owners": ["user/x"]}}')
        done = engine.client.job(own["resource-id"]).wait(WITHIN)
        assert min(done["said"][:3]) >= 2, done
        assert done["said"][3] == "made"
        assert done["api"] >= 2
    theirs.cancel()
