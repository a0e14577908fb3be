"""The socket of a health check, beside that of a successor."""

from pathlib import Path

from job_engine.cli.processes.health import health


def test_the_socket_of_a_successor_stays(tmp_path: Path) -> None:
    predecessor, successor = health(tmp_path, "server"), health(tmp_path, "server")
    predecessor.__enter__()
    successor.__enter__()
    predecessor.__exit__(None, None, None)
    assert (tmp_path / "server.sock").exists()
    successor.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []
