"""What `up` says when it is up."""

import socket
from pathlib import Path

import pytest

from job_engine.cli.processes.engine import Engine


def test_a_link_that_could_not_be_made_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        engine = Engine(tmp_path, listening, executor=[], shutdown_timeout=1.0, log_level="INFO")
        engine._greet()
        assert "sign-in" not in capsys.readouterr().out
        engine._sign_in = "abc"
        engine._greet()
        assert "/sign-in?token=abc" in capsys.readouterr().out
        engine._parts.end()
