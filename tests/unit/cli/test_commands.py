"""The command line without an engine: help, parsing, exit codes, one-line errors."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from job_engine.cli import run
from job_engine.cli.group import COMMANDS, group


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No engine, no profile, no environment."""
    for name in ("JOB_ENGINE_API_URL", "JOB_ENGINE_DATA", "JOB_ENGINE_PROFILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_help_lists_every_command_without_importing_any(capsys):
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)


def test_alone_it_shows_its_help_as_it_is(capsys):
    assert run([]) == 2
    assert "\n  submit " in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_an_environment_variable_for_each_flag(name):
    result = CliRunner().invoke(group, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = group.get_command(result.exc_info and None, name)
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert parameter.show_envvar, parameter.name
            assert parameter.help, parameter.name
    assert command.help.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["jobs"], 3, "start one with: job-engine up"),
        (["submit", "noop", "--api-url", "http://127.0.0.1:1"], 3, "no engine answers at http://127.0.0.1:1"),
        (["show", "x", "--profile", "nope"], 2, "no profile 'nope'"),
        (["jbos"], 2, "did you mean jobs?"),
        (["--data", "x", "jobs"], 2, "options go after the command: job-engine jobs --data;"),
        (["backup", "x"], 2, "there is no record"),
        (["cancel"], 3, "start one with"),
        (["submit"], 2, "Missing argument 'ACTION'; see job-engine submit --help"),
        (["submit", "noop", "--priority", "1000"], 2, "0<=x<=999"),
        (["submit", "noop", "--timeout", "soon"], 2, "write for example 30s"),
        (["jobs", "--state", "DONE"], 2, "'DONE' is not one of"),
        (["server", "--database", "mysql://x"], 2, "sqlite:///PATH"),
        (["server", "--trust-authn-header", "10.0.0.0/8", "nonsense"], 2, "nonsense is not a network"),
        (["up", "--actions", "./missing.py"], 2, "./missing.py"),
        (["up", "--log-level"], 2, "requires an argument"),
        (["up", "--log-level", "loud"], 2, "no log level 'loud'"),
        (["up", "--shutdown-timeout", "soon"], 2, "write for example 30s"),
        (["completion", "tcsh"], 2, "'tcsh' is not one of"),
    ],
)
def test_errors_are_one_line_on_stderr_that_says_what_to_do(capsys, arguments, code, said):
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("job-engine: ")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback_too(capsys):
    assert run(["jobs", "-d"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_ours_is_told_as_such(capsys, monkeypatch):
    monkeypatch.setattr("job_engine.cli.commands.jobs.jobs.callback", lambda **_: 1 / 0)
    assert run(["jobs"]) == 70
    assert "ZeroDivisionError: division by zero (a fault of job-engine; -d shows where)" in capsys.readouterr().err


def test_ctrl_c(capsys, monkeypatch):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("job_engine.cli.commands.jobs.jobs.callback", interrupt)
    assert run(["jobs"]) == 130


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys, shell):
    assert run(["completion", shell]) == 0
    assert "_JOB_ENGINE_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version(capsys, arguments):
    assert run(arguments) == 0
    assert capsys.readouterr().out.startswith("job-engine 0.")
    assert run(["version", "--json"]) == 0
    assert '"version":"0.' in capsys.readouterr().out


def test_what_starts_quickly_imports_little():
    code = (
        "import sys; from job_engine.cli import run; run(['version']); run(['--help']);"
        "print(sorted(m for m in ('rich', 'uvicorn', 'requests', 'nuvla', 'starlette', 'ssl', 'asyncio', 'jinja2',"
        " 'sqlite3') if m in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "[]\n"


def test_options_that_name_the_engine_are_a_group_of_their_own(capsys):
    assert run(["jobs", "--help"]) == 0
    own, _, connection = capsys.readouterr().out.partition("Connection:")
    assert "--state" in own
    assert "--api-url" not in own
    assert "--api-url" in connection
    assert "--data" in connection
