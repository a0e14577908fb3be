"""An engine of ours in the environment that has upstream's too, with upstream's actions."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running import running
from tests.upstream import environment
from tests.upstream.scene import Scene

ACTIONS = "nuvla.job_engine.job.actions"
DISTRIBUTIONS = "nuvla.job_engine.job.distributions"
COMPOSE = '#!/bin/sh\n[ "$1" = compose ] && shift && exec docker-compose "$@"\necho "no engine here" >&2\nexit 1\n'
"""``docker`` where only the older Compose is, which is a program of its own."""


@pytest.fixture(scope="session")
def python() -> Path:
    """The Python of the environment; `./dev test` has made it before."""
    environment.make()
    return environment.PYTHON


@pytest.fixture(scope="session")
def with_compose(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which ``docker compose`` is."""
    folder = tmp_path_factory.mktemp("bin")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    docker = shutil.which("docker", path=path)
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        assert shutil.which("docker-compose", path=path), "neither docker compose nor docker-compose: ./dev test has it"
        (folder / "docker").write_text(COMPOSE)
        (folder / "docker").chmod(0o755)
    return f"{folder}:{path}"


@pytest.fixture(scope="module")
def scene(python: Path, with_compose: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    environ = {"PATH": with_compose, "JOB_ENGINE_TRUST_AUTHN_HEADER": "127.0.0.1/32"}
    program = str(python.with_name("job-engine"))
    arguments = ("--actions", ACTIONS, "--threads", "8", "--nuvla-types")
    with running(tmp_path_factory.mktemp("up") / "data", *arguments, environ=environ, program=program) as up:
        yield Scene(up)
