"""What Kubernetes puts into the environment of all containers beside a service that is called like us."""

import os
from importlib import import_module

import click
import pytest

from job_engine.cli.group import COMMANDS

LINK = "tcp://10.0.0.1:8080"
VARIABLES = {
    "JOB_ENGINE_PORT": LINK,
    "JOB_ENGINE_PORT_8080_TCP": LINK,
    "JOB_ENGINE_PORT_8080_TCP_ADDR": "10.0.0.1",
    "JOB_ENGINE_PORT_8080_TCP_PORT": "8080",
    "JOB_ENGINE_PORT_8080_TCP_PROTO": "tcp",
    "JOB_ENGINE_SERVICE_HOST": "10.0.0.1",
    "JOB_ENGINE_SERVICE_PORT": "8080",
    "JOB_ENGINE_SERVICE_PORT_HTTP": "8080",
}
"""Of a service called job-engine, with a port called http."""


def command(name: str) -> click.Command:
    found: click.Command = getattr(import_module(f"job_engine.cli.commands.{name}"), name)
    return found


def names(name: str, option: click.Parameter) -> set[str]:
    """Every variable that may stand for the option."""
    explicit = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
    return {*explicit, f"JOB_ENGINE_{name.upper()}_{(option.name or '').upper()}"}


@pytest.mark.parametrize("name", COMMANDS)
def test_they_are_taken_for_no_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [variable for variable in os.environ if variable.startswith("JOB_ENGINE")]:
        monkeypatch.delenv(variable)
    one = command(name)
    plain = one.make_context(name, _least(one), resilient_parsing=False).params
    every = set().union(*(names(name, option) for option in one.params if isinstance(option, click.Option)))
    for variable, value in {**dict.fromkeys(every, LINK), **VARIABLES}.items():
        monkeypatch.setenv(variable, value)
    assert one.make_context(name, _least(one), resilient_parsing=False).params == plain


def _least(one: click.Command) -> list[str]:
    """The arguments without which it does not parse."""
    needed = [param for param in one.params if isinstance(param, click.Argument) and param.required]
    return ["bash" if isinstance(param.type, click.Choice) else "x" for param in needed]


def test_what_is_no_link_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ENGINE_PORT", "1234")
    assert command("server").make_context("server", []).params["port"] == 1234
