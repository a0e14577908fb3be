"""The flags that say what a user or a key may do."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from job_engine.cli.options.shared import option

ROLES: Final = ("submitter", "operator", "viewer", "executor")


def roles_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--role`` and ``--action``, several times each."""
    role = option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="What it may do.")
    about = "Of whose jobs a submitter may add some; web* names several actions."
    action = option("--action", "actions", multiple=True, metavar="NAME", help=about)
    decorated: Callable[..., Any] = role(action(command))
    return decorated


def claims(roles: Iterable[str], actions: Iterable[str]) -> list[str]:
    """What these flags are in the API."""
    roles = [f"group/job-engine-{role}" for role in dict.fromkeys(roles)]
    named = [f"action/{action.removeprefix('action/')}" for action in actions]
    if named and f"group/job-engine-{ROLES[0]}" not in roles:
        raise click.UsageError("--action goes with --role submitter: it names the actions of its jobs")
    if not named and f"group/job-engine-{ROLES[0]}" in roles:
        raise click.UsageError("--role submitter goes with --action: name the actions that it may add, or --action '*'")
    return [*roles, *named]
