"""Processes that actions, and programs with a client, fork."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine_processes import Engine

ACTIONS = Path(__file__).parent / "process_actions.py"
FORKS_WHILE_IT_CALLS = """
import os, signal, sys, threading
from job_engine import Client
from job_engine.client.connection import Connection

url, username, password = sys.argv[1:]
inside, go_on = threading.Event(), threading.Event()
exchange = Connection._exchange
def slow(self, *arguments):
    if threading.current_thread() is not threading.main_thread() and not inside.is_set():
        inside.set()  # it has the lock of the login
        go_on.wait(20)
    return exchange(self, *arguments)
Connection._exchange = slow
client = Client(url, username=username, password=password)
thread = threading.Thread(target=lambda: client.count(""))
thread.start()
inside.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    client.count("")
    os._exit(0)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
go_on.set()
thread.join()
client.count("")
sys.exit(code)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_that_an_action_forks_ends_as_it_would_in_plain_python(engine: Engine, threads: int) -> None:
    engine.executor(ACTIONS, threads=threads).ready()
    for how, code in (("returns", 0), ("exits", 7), ("complains", 1), ("asks", 5)):
        assert engine.client.submit("forks", payload={"how": how}).wait(20) == code, how
    for action in ("forks", "forks-later"):
        job = engine.client.submit(action, payload={"how": "raises"})
        assert job.wait(20) == 1
        assert "ValueError: in the child" in [line.text for line in job.logs()]
    job = engine.client.submit("runs-programs")
    job.wait(20)
    assert [line.text for line in job.logs()] == ["by subprocess", "by system", "by the job"]


def test_a_client_can_be_used_in_a_process_that_was_forked_in_the_middle_of_a_call(engine: Engine) -> None:
    who = [engine.url, engine.admin["username"], engine.admin["password"]]
    ended = subprocess.run([sys.executable, "-c", FORKS_WHILE_IT_CALLS, *who], env=os.environ, timeout=60, check=False)
    assert ended.returncode == 0
