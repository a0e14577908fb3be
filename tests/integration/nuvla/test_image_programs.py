"""The programs of the image, as its entrypoint and Nuvla's compose files start them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.nuvla.processes import APP

RECORDER = '#!/bin/sh\necho "$(basename "$0")" "$@"\n'


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which `job-engine` and `docker` say what they were told."""
    for name in ("job-engine", "docker"):
        (tmp_path / name).write_text(RECORDER)
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def said(path: str, *command: str) -> str:
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (["submit", "noop"], "job-engine submit noop"),
        (["--version"], "job-engine --version"),
        ([], "job-engine"),
        (["--", "docker", "ps"], "docker ps"),
        (["sh", "-c", "docker ps"], "docker ps"),
        (["/bin/echo", "-n", "x"], "x"),
        (["--", "/bin/echo", "--", "x"], "-- x"),
    ],
)
def test_the_arguments_are_a_command_or_any_program(path: str, arguments: list[str], runs: str) -> None:
    assert said(path, str(APP / "entrypoint"), *arguments).strip() == runs


@pytest.mark.parametrize("name", ["job_executor.py", "job_distributor.py", "job_restore.py"])
@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_nuvlas_programs_run_with_and_without_dashes(path: str, name: str, dashes: list[str]) -> None:
    assert "--zk-hosts" in said(path, str(APP / "entrypoint"), *dashes, str(APP / name), "--help")


def test_pause_pauses_its_own_container(path: str) -> None:
    assert said(path, str(APP / "pause.py")).strip() == f"docker pause {os.uname().nodename}"


def test_every_program_can_be_an_entrypoint_itself() -> None:
    for program in APP.iterdir():
        assert program.stat().st_mode & 0o111 == 0o111, program
        assert program.read_text().startswith("#!"), program
