"""Upstream's command line (nuvla-job-engine 5.1.4): its flags are ours too, with its defaults under its names."""

from importlib.util import find_spec
from typing import Any

import click
import pytest

from job_engine.cli import upstream
from job_engine.cli.commands.distributor import distributor
from job_engine.cli.commands.executor import executor
from job_engine.cli.commands.restore import restore

WHAT = {"executor": "actions", "distributor": "distributions"}
BOTH = (
    "--zk-hosts --api-url --api-user --api-pass --api-key --api-secret --api-insecure --nuvlaedge-fs --api-authn-header"
    " --name --statsd -l --log-level -d --debug"
).split()


def flags(command: click.Command) -> dict[str, click.Parameter]:
    return {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize(
    ("command", "theirs"),
    [
        (executor, [*BOTH, "--job-id"]),
        (distributor, [*BOTH, "--distribution-exclude", "--distribution-interval"]),
        (restore, ["--zk-hosts", "--es-hosts"]),
    ],
)
def test_every_flag_is_one_of_ours(command: click.Command, theirs: list[str]) -> None:
    assert set(theirs) <= set(flags(command))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (executor, ["--zk-hosts", "a:1", "b:2", "-d", "-l", "ERROR", "--api-insecure", "--name", "x", "--statsd", "s"]),
        (distributor, ["--zk-hosts", "a", "b", "--distribution-exclude", "a", "b", "--distribution-interval", "a:1"]),
        (restore, ["--zk-hosts", "a", "b", "--es-hosts", "c", "d"]),
    ],
)
def test_its_forms_are_taken(command: click.Command, arguments: list[str]) -> None:
    command.make_context("x", list(arguments))


def test_defaults() -> None:
    assert flags(executor)["--nuvlaedge-fs"].default == "/srv/nuvlaedge/shared/"
    assert flags(executor)["--log-level"].default == "INFO"


@pytest.mark.parametrize(
    ("main", "command", "defaults"),
    [
        (
            "executor",
            "executor",
            {"api_url": "https://nuvla.io", "no_wait_for_api": True, "processes": 1, "threads": 1},
        ),
        ("distributor", "distributor", {"api_url": "https://nuvla.io", "no_wait_for_api": True}),
        ("restore", "restore", {"zk_hosts": ("zk:2181",)}),
    ],
)
def test_its_names_have_its_defaults_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch, main: str, command: str, defaults: dict[str, Any]
) -> None:
    for ours, theirs in ((0, 0), (1, 1), (2, 2), (3, 1), (70, 2)):
        told: list[Any] = []

        def run(arguments: list[str], default_map: Any, told: list[Any] = told, ours: int = ours) -> int:
            told += [arguments, default_map]
            return ours

        monkeypatch.setattr(upstream, "run", run)
        monkeypatch.setattr("sys.argv", ["job.py", "--some", "flag"])
        with pytest.raises(SystemExit) as ended:
            getattr(upstream, main)()
        assert ended.value.code == theirs
        assert told[0] == [command, "--some", "flag"]
        assert defaults.items() <= told[1][command].items()


@pytest.mark.parametrize("main", ["executor", "distributor"])
def test_nuvlas_package_is_needed_under_its_names(
    main: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_spec("nuvla.job_engine") is None, "this environment has it; tests/upstream runs with it"
    code, said = ended(main, ["--zk-hosts", "127.0.0.1:1", "--api-url", "http://127.0.0.1:1"], monkeypatch, capsys)
    assert code == 2
    assert f"Nuvla's {WHAT[main]} are not installed" in said
    assert "pip install nuvla-job-engine==5.1.4" in said
    assert said.count("\n") == 1


def test_the_restore_asks_no_public_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = ended("restore", ["--es-hosts", "es"], monkeypatch, capsys)
    assert code == 2
    assert "give --api-url" in said
    assert "nuvla.io" not in said
    assert said.count("\n") == 1


def ended(
    main: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Any, str]:
    monkeypatch.setattr("sys.argv", ["job.py", *arguments])
    with pytest.raises(SystemExit) as exit_:
        getattr(upstream, main)()
    return exit_.value.code, capsys.readouterr().err
