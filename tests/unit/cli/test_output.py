"""Commands whose output cannot be written, whose standard streams are closed, or whose arguments are no UTF-8."""

import os
import subprocess
import sys

import pytest

from job_engine.exit_codes import DONE, FAILED, WRONG

COMMAND = f"exec {sys.executable} -m job_engine.cli "


def shell(line: str, **environ: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        ["/bin/sh", "-c", COMMAND + line], capture_output=True, env={**os.environ, **environ}, timeout=60
    )
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


@pytest.mark.parametrize("what", ["--help", "submit --help", "version"])
def test_no_room_for_the_output_is_one_line(what: str) -> None:
    code, _, said = shell(f"{what} >/dev/full")
    assert (code, said) == (FAILED, "job-engine: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nobodys_numbers(closed: str) -> None:
    code, out, said = shell(f"version {closed}")
    assert (code, said) == (DONE, "")
    assert bool(out) == (">&-" not in closed.replace("2>&-", ""))


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    ended = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; ({COMMAND} --help) | true"], capture_output=True, timeout=60
    )
    assert ended.stderr == b""


def test_a_character_that_the_output_does_not_know_is_escaped() -> None:
    code, out, said = shell("submit --help", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (code, said) == (DONE, "")
    assert out.isascii()


@pytest.mark.parametrize("arguments", [r"show $(printf '\377')", r"jobs --filter $(printf '\377')"])
def test_arguments_that_are_no_utf8_are_named(arguments: str) -> None:
    code, _, said = shell(f"{arguments} --api-url http://127.0.0.1:9 --api-key k --api-secret s")
    assert code == WRONG, said
    assert said.count("\n") == 1
    assert "fault" not in said
    assert "dcff" in said or "Unicode" in said
