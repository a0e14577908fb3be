"""What actions find of the credentials of the executor that runs them: a client, and nothing in their environment."""

import subprocess
from pathlib import Path

from tests.integration.engine_processes import Engine
from tests.integration.running import WITHIN, start

ACTIONS = """
import os
import pathlib
import subprocess

from job_engine import Client, action


@action
def looks(password: str):
    with Client() as client:
        running = client.count("state='RUNNING'")
    lines = [pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (os.getpid(), os.getppid())]
    children = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    own = pathlib.Path("/proc/self/environ").read_text()
    found = [where for where, text in (("own", own), ("os", str(os.environ)), ("child", children)) if password in text]
    return {"running": running, "found": found, "ps": any(password.encode() in line for line in lines)}
"""


def test_an_action_works_for_its_engine_without_the_executors_password(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    (tmp_path / "looking.py").write_text(ACTIONS)
    given = {
        "JOB_ENGINE_API_URL": engine.url,
        "JOB_ENGINE_API_USER": engine.admin["username"],
        "JOB_ENGINE_API_PASS": engine.admin["password"],
    }
    log, arguments = tmp_path / "executor.log", ("--actions", str(tmp_path / "looking.py"), "--processes", "1")
    executor = start(log, "executor", *arguments, environ=given)
    try:
        job = engine.client.submit("looks", payload={"password": engine.admin["password"]})
        assert job.wait(WITHIN) == {"running": 1, "found": [], "ps": False}, log.read_text()
    finally:
        executor.terminate()
        try:
            executor.wait(WITHIN)
        except subprocess.TimeoutExpired:
            executor.kill()
        engine.close()
