"""Secrets of the command line by file and by systemd, and what is left of them for people's functions."""

import os
from pathlib import Path
from typing import Any

import click
import pytest

from job_engine.cli.commands.executor import executor
from job_engine.cli.options.secrets import VARIABLES, forget, secret_option
from job_engine.cli.options.shared import engine_option
from job_engine.cli.processes.folder import LOCK, in_use, locked, prepare
from job_engine.job.errors import Invalid


def parsed(*arguments: str) -> dict[str, Any]:
    @secret_option(engine_option, "--api-pass", metavar="PASSWORD")
    @secret_option(engine_option, "--zk-auth", multiple=True)
    def command(**values: Any) -> None:
        pass

    return click.command("x")(command).make_context("x", list(arguments)).params


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("JOB_ENGINE_")]:
        monkeypatch.delenv(name)
    for name, text in (("api-pass", "of systemd\n"), ("file", "of the file\n"), ("two", "digest:a:b\ndigest:c:d\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_where_a_secret_comes_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed() == {"api_pass": None, "zk_auth": ()}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert parsed()["api_pass"] == "of systemd"
    monkeypatch.setenv("JOB_ENGINE_API_PASS_FILE", str(folder / "file"))
    assert parsed()["api_pass"] == "of the file"
    monkeypatch.setenv("JOB_ENGINE_API_PASS", "of the variable")
    assert parsed()["api_pass"] == "of the variable"
    assert parsed("--api-pass", "typed", "--api-pass-file", str(folder / "file"))["api_pass"] == "typed"
    assert parsed("--zk-auth-file", str(folder / "two"))["zk_auth"] == ("digest:a:b", "digest:c:d")
    with pytest.raises(Invalid, match="cannot be read"):
        parsed("--zk-auth-file", str(folder / "none"))


def test_every_secret_flag_has_a_file_beside_it() -> None:
    flags = {name for param in executor.params for name in param.opts}
    secret = {"--api-pass", "--api-secret", "--zk-auth", "--zk-sasl", "--zk-key-password"}
    assert {f"{name}-file" for name in secret} <= flags


def test_people_functions_do_not_find_credentials_in_the_environment() -> None:
    environ = dict.fromkeys([*VARIABLES, "JOB_ENGINE_API_URL", "PATH"], "x")
    forget(environ)
    assert set(environ) == {"JOB_ENGINE_API_URL", "PATH"}


def test_a_lock_is_not_followed_elsewhere(folder: Path) -> None:
    (folder / "elsewhere").write_text("precious")
    (folder / LOCK).symlink_to(folder / "elsewhere")
    with pytest.raises(Invalid, match="cannot be written"), locked(folder):
        pass
    assert not in_use(folder / LOCK)
    assert (folder / "elsewhere").read_text() == "precious"


def test_a_data_folder_that_is_somebody_elses_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(folder) == folder
    real = os.stat(folder).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    if real == 0:  # nobody refuses root's
        monkeypatch.setattr(Path, "stat", lambda *_, **__: os.stat_result((0o40700, 0, 0, 2, 12345, 0, 0, 0, 0, 0)))
    with pytest.raises(Invalid, match="belongs to another user"):
        prepare(folder)
