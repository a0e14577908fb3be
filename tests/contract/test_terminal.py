"""Hostile texts in a record, and every command that shows it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from job_engine.cli import run
from job_engine.cli.commands import submit
from job_engine.client import Client
from tests.contract.conftest import Server, serve
from tests.contract.test_wire import attend

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x7f"
RAW = frozenset("\x1b\x07\x9b\u202e\u2066\x7f\r")


@pytest.fixture(scope="module")
def job(hostile: Server) -> str:
    """A job that ran on an executor, all of whose texts are hostile."""
    hello = {
        "name": EVIL, "host": EVIL, "pid": 1, "version": EVIL, "processes": 1, "slots": 1, "actions": ["evil"],
        "details": {"evil": {"summary": EVIL, "file": EVIL}}, "failed_imports": {EVIL: EVIL},
    }  # fmt: skip
    assert attend(hostile, "evil", n=1, hello=hello)[0] == 200
    made: dict[str, Any] = {"action": "evil", "name": EVIL, "description": EVIL, "tags": [EVIL]}
    status, body, _ = hostile.call("POST", "job", made)
    assert status == 201, body
    (granted,) = attend(hostile, "evil", n=2, free=1)[1]["jobs"]
    seq, claim = granted[:2]
    log = [[1, 0.0, "error", EVIL], [2, 1.0, "info", EVIL]]
    end = [seq, claim, "FAILED", 0.0, 1.0, 1, EVIL]
    answer = attend(
        hostile, "evil", n=3, holds=[[seq, claim]], writes=[[seq, claim, None, {}, None, log]], finished=[end]
    )
    assert answer[0] == 200
    return str(body["resource-id"])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("data"))


@pytest.fixture
def shown(hostile: Server, job: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command prints, on both streams; ``ID`` stands for the job's."""

    def show(*arguments: str) -> str:
        admin = hostile.admin
        connection = ("--api-url", hostile.url, "--api-user", admin["username"], "--api-pass", admin["password"])
        run([job if argument == "ID" else argument for argument in arguments] + list(connection))
        return "".join(capsys.readouterr())

    return show


@pytest.mark.parametrize(
    "command",
    ["show ID", "show ID --all", "logs ID", "logs ID -f", "logs ID -t", "explain ID", "jobs", "actions", "executors"],
)
def test_nothing_reaches_the_terminal_raw(shown: Any, command: str) -> None:
    said = shown(*command.split())
    assert "owned" in said
    assert not set(said) & RAW
    as_json = shown(*command.split(), "--json")
    assert not set(as_json) & RAW
    assert EVIL in {text for line in as_json.splitlines() for text in texts(json.loads(line))}


@pytest.mark.parametrize("command", ["jobs --filter", "show", "users list", "distributions run", "keys delete"])
def test_an_error_repeats_what_was_asked_for_as_escapes(shown: Any, command: str) -> None:
    said = shown(*command.split(), f"x{EVIL}")
    assert "job-engine: " in said
    assert not set(said) & RAW


def test_the_progress_of_a_job_that_is_waited_for(
    hostile: Server, job: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    admin = hostile.admin
    with Client(hostile.url, username=admin["username"], password=admin["password"], environ={}) as client:
        submit._show_progress(client.job(job), family=False)
    said = capfd.readouterr().err
    assert "owned" in said
    assert not set(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)) & (RAW - {"\r"})


def texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(part)
    if isinstance(value, dict):
        yield from value
