"""The built images, run: what is in them, the main job, the health check, the stop, and the unit tests."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from job_engine.client import Client
from tests.image.conftest import Make
from tests.image.container import WITHIN, Container, Started, eventually
from tests.integration.running import ACTIONS, family
from tests.zookeeper import free_port

ROOT = Path(__file__).parents[2]
NOT_HERE = "not upstreams_classes"
"""These bring a package of Nuvla's name; the image has Nuvla's own, which `test_nuvla.py` loads."""
TESTS_NEED = ("pytest", "pytest-timeout", "pytest-xdist", "griffe2md", "hypothesis")


def up(container: Container, folder: Path, *more: str) -> tuple[Started, int]:
    """`job-engine up` with the test's actions, ready, and its port."""
    port = free_port()
    actions = folder / "these_actions.py"
    actions.write_text(ACTIONS)
    folder.chmod(0o755)
    started = container.start(
        "up", "--host", "0.0.0.0", "--port", str(port), "--actions", "/actions", "--processes", "1", *more,
        volumes=[f"{folder}:/actions:ro"],
    )  # fmt: skip
    return started.until("stop  "), port


def test_up_runs_a_job_whose_action_logs_and_is_well(make: Make, tmp_path: Path) -> None:
    container = make("job")
    started, _ = up(container, tmp_path)
    done = container.run("job-engine", "submit", "add", "a=2", "b=3", "--wait")
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
    [job] = json.loads(container.run("job-engine", "jobs", "--json").stdout)
    said = container.run("job-engine", "logs", job["id"]).stdout
    assert "adding 2 and 3" in said
    assert "that makes 5" in said
    assert container.well()
    server = part(started, "server")
    os.kill(server, signal.SIGSTOP)
    assert not container.well()
    os.kill(server, signal.SIGCONT)
    eventually(container.well)
    assert "not running as PID 1" not in started.said()  # tini collects all the same


def part(started: Started, role: str) -> int:
    """The process of this part of an ``up``."""
    for pid in family(started.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if role.encode() in words and b"--parent-fd" in words:
            return pid
    raise AssertionError(f"there is no {role}")


def test_a_stop_lets_the_running_job_end(make: Make, tmp_path: Path) -> None:
    container = make("job")
    started, _ = up(container, tmp_path)
    done = container.run("job-engine", "submit", "wait-for", "path=/tmp/go")
    assert done.returncode == 0, done.stderr
    eventually(lambda: container.run("test", "-e", "/tmp/go.started").returncode == 0)
    os.kill(started.first(), signal.SIGTERM)
    started.until("running jobs may finish")
    container.run("touch", "/tmp/go")
    assert started.process.wait(WITHIN) == 0, started.said()
    assert "stopped" in started.said()
    again, _ = up(container, tmp_path)
    [job] = json.loads(container.run("job-engine", "jobs", "--json").stdout)
    assert job["state"] == "SUCCESS"
    assert again.stop() == 0, again.said()


@pytest.mark.parametrize("user", ["1000:0", "54321:0", "54321:54321"])
def test_it_runs_on_a_read_only_root_file_system_as_any_user_and_as_process_1(
    user: str, make: Make, tmp_path: Path
) -> None:
    container, port = make("job"), free_port()
    data = tmp_path / "data"
    data.mkdir()
    shutil.chown(data, *map(int, user.split(":")))
    started = container.start_strictly("up", "--host", "0.0.0.0", "--port", str(port), user=user, data=data)
    started.until("stop  ")
    with Client(data=data, environ={}) as client:
        assert client.submit("noop").wait(WITHIN) is None
    assert started.stop() == 0, started.said()


def test_what_is_in_them(make: Make) -> None:
    job, lite = make("job"), make("job-lite")
    for words in (["docker", "--version"], ["docker", "compose", "version"], ["envsubst", "--version"],
                  ["job-engine", "version"], ["tini", "--version"]):  # fmt: skip
        for container in (job, lite):
            done = container.run(*words)
            assert done.returncode == 0, (words, done.stderr)
    assert job.run("git", "--version").returncode == 0
    assert job.run("kubectl", "version", "--client").returncode == 0
    for program in ("gcc", "cc", "git", "kubectl"):
        assert lite.run("sh", "-c", f"command -v {program}").returncode != 0
    labels = job.config["Labels"]
    assert labels["org.opencontainers.image.version"] == job.built["version"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert (job.config["User"], lite.config["User"]) == ("1000", "root")
    # Nothing of the machine that built them.
    for container in (job, lite):
        assert container.run("sh", "-c", "ls /run/secrets /etc/pip.conf /etc/apt/apt.conf.d/99build").stdout == ""


def test_the_unit_tests_pass_in_it(make: Make, tmp_path: Path) -> None:
    container = make("job")
    needed = tmp_path / "needed"
    # With this machine's pip, which knows the way to PyPI, for the image's Python.
    version = container.run("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()
    pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q",
           "--target", str(needed), "--only-binary=:all:", "--python-version", version,
           "-c", str(ROOT / "requirements.test.txt"), *TESTS_NEED]  # fmt: skip
    subprocess.run(pip, check=True, timeout=300)
    started = container.start(
        "--", "sh", "-c",
        "cd /project && exec python -m pytest tests/unit -q -n 2 --tb=short --disable-warnings -p no:cacheprovider "
        f"-k '{NOT_HERE}'",
        environ={"PYTHONPATH": "/needed", "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis"},
        volumes=[f"{needed}:/needed:ro", f"{ROOT}:/project:ro"],
    )  # fmt: skip
    assert started.process.wait() == 0, started.said()[-6000:]
