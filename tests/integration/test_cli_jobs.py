"""What the command line shows of many jobs and does to them, and the copy of the record, against a real engine."""

import json
import os
import pty
import sqlite3
import subprocess

import pytest

from tests.integration.running import PROGRAM, WITHIN, clean, cli, running, unique


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("engine") / "data") as engine:
        yield engine


def on_a_terminal(up, *arguments):
    """What it prints on a terminal of 80 columns."""
    own, terminal = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *arguments, "--data", str(up.folder)],
        stdin=terminal, stdout=terminal, stderr=terminal, env=clean() | {"TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(terminal)
    said = b""
    try:
        while data := os.read(own, 4096):
            said += data
    except OSError:  # so a terminal says its end
        pass
    os.close(own)
    assert process.wait(WITHIN) == 0, said
    return said.decode()


def test_eighty_columns_show_what_matters_and_a_short_id_that_commands_take(up):
    action, tag = "an-action-with-a-name-of-more-than-24-letters", unique("t")
    id_ = cli(up, "submit", action, "--delay", "1h", "--tag", tag).stdout.strip()
    said = on_a_terminal(up, "jobs", "--filter", f"tags='{tag}'")
    row = next(line for line in said.splitlines() if "QUEUED" in line)
    assert all(word in row for word in ("an-action-with-a-name-o…", "0%", " s"))
    short = row.split("\x1b")[0].split()[0] if row.startswith(id_[-12:]) else ""
    assert short == id_[-12:]
    assert json.loads(cli(up, "show", short, "--json").stdout)["id"] == id_
    assert cli(up, "delete", short).stdout == f"{id_} deleted\n"
    assert cli(up, "show", id_).returncode == 2


def test_an_empty_list_says_so_also_in_a_pipe(up):
    done = cli(up, "jobs", "--filter", f"tags='{unique('none')}'")
    assert (done.stdout, done.stderr) == ("", "no jobs match\n")
    assert "no distribution" in cli(up, "distributions").stderr or cli(up, "distributions").stdout


def test_wait_says_how_a_job_without_a_result_ended(up):
    done = cli(up, "submit", "noop", "--wait")
    assert done.returncode == 0
    assert done.stdout == ""
    assert "SUCCESS" in done.stderr.splitlines()[-1]


def test_what_matches_a_filter_is_counted_and_asked_about(up):
    tag = unique("many")
    ids = [cli(up, "submit", "noop", "--delay", "1h", "--tag", tag).stdout.strip() for _ in range(2)]
    matching = ("--filter", f"tags='{tag}'")
    refused = cli(up, "cancel", *matching, input="n\n")
    assert "cancel 2 jobs?" in refused.stderr
    assert refused.returncode == 130
    assert sorted(cli(up, "cancel", *matching, input="y\n").stdout.split()[::2]) == sorted(ids)
    assert len(cli(up, "retry", *matching, "--yes").stdout.split()) == 2
    assert len(cli(up, "delete", *matching, "--yes").stdout.splitlines()) >= 2
    assert cli(up, "delete", *matching, "--yes").stderr == "no jobs match\n"
    both = cli(up, "delete", ids[0], *matching)
    assert both.returncode == 2
    assert "not both" in both.stderr
    assert cli(up, "cancel").returncode == 2


def test_a_link_that_signs_in(up):
    link = cli(up, "open").stdout.strip()
    with up.client() as client:
        assert link.startswith(f"{client.url}/sign-in?token=")
    assert link != cli(up, "open").stdout.strip()


def test_a_backup_of_a_running_engine_is_a_whole_record(up, tmp_path):
    id_ = cli(up, "submit", "noop", "--delay", "1h").stdout.strip()
    copy = tmp_path / "record.db"
    done = cli(up, "backup", str(copy))
    assert done.returncode == 0, done.stderr
    assert copy.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as record:
        assert record.execute("pragma integrity_check").fetchone() == ("ok",)
        number = record.execute("select count(*) from job").fetchone()[0]
    assert number == len(json.loads(cli(up, "jobs", "--json", "--limit", "1000").stdout))
    assert json.loads(cli(up, "show", id_, "--json").stdout)["state"] == "QUEUED"
    again = cli(up, "backup", str(copy))
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_actions_show_parameters_first_line_and_file(up):
    found = {action["name"]: action for action in json.loads(cli(up, "actions", "--json").stdout)["actions"]}
    assert found["greet"]["parameters"] == [
        {"name": "name", "text": "name: str", "required": True, "takes": ["string"]},
        {"name": "times", "text": "times: int = 1", "takes": ["number"]},
    ]
    assert found["greet"]["summary"] == "Greet somebody."
    assert found["greet"]["file"].endswith(".py")
    said = on_a_terminal(up, "actions")
    assert "greet\x1b[0m name: str, times: int = 1\r\n    Greet somebody.\r\n" in said
    row = next(line for line in cli(up, "actions").stdout.splitlines() if line.startswith("greet "))
    assert all(text in row for text in ("name: str, times: int = 1", "Greet somebody.", found["greet"]["file"]))


def test_a_value_for_a_text_parameter_stays_a_text(up):
    assert cli(up, "submit", "greet", "name=3", "times=2", "--wait").stdout == '"hello 3, 2 times"\n'


def completed(up, *words):
    """What the completion offers for the last word."""
    line = ("job-engine", words[0], "--data", str(up.folder), *words[1:])
    environ = {"_JOB_ENGINE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
    done = subprocess.run([PROGRAM], env=clean() | environ, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]


def test_actions_parameters_and_jobs_are_completed(up):
    assert completed(up, "submit", "gre") == ["greet"]
    assert completed(up, "jobs", "--action", "gre") == ["greet"]
    assert completed(up, "submit", "greet", "") == ["name=", "times="]
    assert completed(up, "submit", "greet", "name=3", "") == ["times="]
    assert completed(up, "submit", "greet", "name", "=", "3", "t") == ["times="], "as bash splits it"
    assert completed(up, "submit", "greet", "name", "=") == []
    id_ = cli(up, "submit", "noop", "--delay", "1h").stdout.strip()
    assert completed(up, "cancel", id_[-12:-2]) == [id_[-12:]]
    assert completed(up, "logs", id_[:-2]) == [id_]
    assert id_[-12:] in completed(up, "submit", "noop", "--after", "")
    assert completed(up, "cancel", "nothing-like-it") == []


def test_without_an_engine_nothing_is_offered_and_nothing_said(up, tmp_path):
    up.folder, there = tmp_path / "none", up.folder
    try:
        assert completed(up, "submit", "gre") == []
    finally:
        up.folder = there
