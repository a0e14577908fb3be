"""Files with secrets: read, and warned of when others may read or change them."""

import logging
import os
from pathlib import Path

import pytest

from job_engine.client import discovery, private
from job_engine.client.discovery import Found, find
from job_engine.client.endpoint import Credentials
from job_engine.job.errors import Invalid

URL = "http://127.0.0.1:8080"


def test_who_else_may_read_a_file_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    for mode, trouble in ((0o600, ""), (0o400, ""), (0o640, "chmod 600"), (0o620, "chmod 600"), (0o604, "mode 604")):
        file.chmod(mode)
        assert trouble in private.exposure(file), oct(mode)
        assert bool(trouble) == bool(private.exposure(file)), oct(mode)
    tmp_path.chmod(0o755)
    assert "chmod 700" in private.exposure(tmp_path)
    file.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert private.foreign(file) == (file.stat().st_uid != 0)
    assert private.exposure(tmp_path / "none") == ""


def test_a_secret_is_a_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for text, secret in ((b"a b\n", "a b"), (b"a\r\n", "a"), (b" a", " a"), ("é\n\n".encode(), "é\n")):
        file.write_bytes(text)
        assert private.read_secret(file) == secret
    for text in (b"", b"\n", b"\xff"):
        file.write_bytes(text)
        with pytest.raises(Invalid):
            private.read_secret(file)
    with pytest.raises(Invalid, match="No such file"):
        private.read_secret(tmp_path / "none")


def test_credentials_of_the_environment_by_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "pass").write_text("p\n")
    (tmp_path / "pass").chmod(0o644)
    environ = {
        "JOB_ENGINE_API_URL": URL, "JOB_ENGINE_API_USER": "u", "JOB_ENGINE_API_PASS_FILE": str(tmp_path / "pass"),
    }  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert find(environ=environ).credentials == Credentials(username="u", password="p")
    assert "is open to others (mode 644)" in caplog.text


def test_what_an_engine_runs_works_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(discovery._Here, "entrusted", None)
    monkeypatch.setattr(discovery._Here, "url", None)
    mine = Found(URL, Credentials(key="k", secret="s"))
    discovery.entrust(URL, lambda: mine)
    nothing = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    assert find(environ=nothing).credentials == mine.credentials
    assert find(environ={**nothing, "JOB_ENGINE_API_URL": URL}).credentials == mine.credentials
    assert find(environ=nothing, url="http://127.0.0.1:1").credentials == Credentials()
    (tmp_path / "admin.toml").write_text(f'url = "{URL}"\nusername = "admin"\npassword = "p"\n')
    (tmp_path / "admin.toml").chmod(0o600)
    named = {**nothing, "JOB_ENGINE_DATA": str(tmp_path)}
    assert find(environ=named).credentials == mine.credentials, "the engine's own environment is not its functions'"
    assert find(environ=nothing, data=tmp_path).credentials.username == "admin"
