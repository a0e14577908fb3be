"""Each flag of a part reaches what the part is told: a flag without a row here fails."""

from pathlib import Path
from typing import Any

import click
import pytest

from job_engine.cli.commands.executor import executor
from job_engine.cli.commands.server import server
from job_engine.cli.group import Session, group

ZOOKEEPER = {f"--zk-{name}" for name in (
    "hosts", "path", "auth", "auth-file", "acl", "ca", "cert", "key", "key-password", "key-password-file", "no-verify",
    "sasl", "sasl-file")} | {"--session-timeout"}  # fmt: skip
CONNECTION = {f"--api-{name}" for name in (
    "url", "user", "pass", "pass-file", "key", "secret", "secret-file", "insecure", "ca", "cert", "cert-key",
    "authn-header")} | {"--data"}  # fmt: skip
ELSEWHERE = {"--log-level", "--debug", "--help", "--health-dir", "--parent-fd", "--fd", "--needed"}
"""What has tests of its own: all flags of ZooKeeper and of the connection likewise."""

EXECUTOR = [
    (("--job-id", "job/1"), "job_id", "job/1"),
    (("--name", "n"), "name", "n"),
    (("--actions", "a.py", "b"), "actions", ("a.py", "b")),
    (("--processes", "3"), "processes", 3),
    (("--threads", "7"), "threads", 7),
    (("--shutdown-timeout", "9s"), "shutdown_timeout", 9.0),
    (("--api-grace", "8s"), "api_grace", 8.0),
    (("--unknown-action-grace", "2m"), "unknown_action_grace", 120.0),
    (("--logs-in-output",), "logs_in_output", True),
    (("--full-api",), "full_api", True),
    (("--no-wait-for-api",), "wait_for_api", False),
    (("--run-dir", "/tmp/run"), "run_dir", Path("/tmp/run")),
    (("--nuvlaedge-fs", "/srv"), "nuvlaedge_fs", "/srv"),
    (("--mask-patterns", "FILE"), "masked", ("[0-9]+",)),
]
SERVER = [
    (("--host", "127.0.0.2"), "host", "127.0.0.2"),
    (("--port", "0"), "port", None),
    (("--url", "http://elsewhere"), "url", "http://elsewhere"),
    (("--trust-authn-header", "10.0.0.0/8"), "trust_authn_header", "10.0.0.0/8"),
    (("--trust-proxy", "10.0.0.0/8"), "trust_proxy", "10.0.0.0/8"),
    (("--unknown-action-grace", "2m"), "unknown_action_grace", 120.0),
    (("--user-jobs", "5"), "quota.jobs", 5),
    (("--user-job-bytes", "5"), "quota.job_bytes", 5 << 20),
    (("--user-priority", "5"), "quota.priority", 5),
    (("--user-documents", "5"), "quota.documents", 5 << 20),
    (("--types", "FILE"), "types", None),
    (("--nuvla-types",), "types", None),
    (("--audit-log", "-"), "audit_log", "-"),
    (("--keep-audit", "5s"), "keep_audit", 5.0),
]
SERVER_ELSEWHERE = {"--database", "--data", "--tls-cert", "--tls-key", "--tls-client-ca"}


def told(monkeypatch: pytest.MonkeyPatch, part: str, *arguments: str) -> Any:
    """The settings that a command line comes to."""
    seen: list[Any] = []

    class Serving:
        def __init__(self, settings: Any, *_: Any) -> None:
            seen.append(settings)

        def run(self, listening: Any, *_: Any) -> None:
            """No server is needed to see what it is told."""
            listening.close()

    def run(settings: Any) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr("job_engine.executor.run.run", run)
    monkeypatch.setattr("job_engine.cli.serving.application.Serving", Serving)
    assert group.main([part, *arguments], standalone_mode=False, obj=Session()) == 0
    return seen[0]


def value(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


@pytest.mark.parametrize(("flags", "name", "wanted"), EXECUTOR)
def test_executor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: tuple[str, ...], name: str, wanted: Any
) -> None:
    file = tmp_path / "patterns"
    file.write_text("[0-9]+\n")
    flags = tuple(flag.replace("FILE", str(file)) for flag in flags)
    plain = value(told(monkeypatch, "executor", "--api-url", "http://x"), name)
    found = value(told(monkeypatch, "executor", "--api-url", "http://x", *flags), name)
    assert found == wanted
    assert found != plain


@pytest.mark.parametrize(("flags", "name", "wanted"), SERVER)
def test_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: tuple[str, ...], name: str, wanted: Any
) -> None:
    file = tmp_path / "types.toml"
    file.write_text("[sensor]\n")
    flags = tuple(flag.replace("FILE", str(file)) for flag in flags)
    anywhere = () if "--port" in flags else ("--port", "0")
    plain = value(told(monkeypatch, "server", "--data", str(tmp_path / "a"), "--port", "0"), name)
    found = value(told(monkeypatch, "server", "--data", str(tmp_path / "b"), *anywhere, *flags), name)
    if wanted is not None:
        assert (str(found[0]) if isinstance(found, tuple) else found) == wanted
    assert found != plain


@pytest.mark.parametrize(
    ("command", "rows", "elsewhere"),
    [(executor, EXECUTOR, CONNECTION | {"--statsd"}), (server, SERVER, SERVER_ELSEWHERE)],
)
def test_each_flag_has_a_row(command: click.Command, rows: list[Any], elsewhere: set[str]) -> None:
    flags = {next(name for name in option.opts if name.startswith("--")) for option in command.params}
    assert flags - ZOOKEEPER - ELSEWHERE - elsewhere == {row[0][0] for row in rows}
