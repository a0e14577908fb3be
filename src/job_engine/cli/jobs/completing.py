"""What the engine has that begins as what was typed: actions, their parameters, jobs. An engine that cannot be reached
offers nothing, and says nothing: a shell would print that into the line that is being typed."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import click
from click.shell_completion import CompletionItem

from job_engine.cli.jobs.known import parameters_of
from job_engine.cli.options.shared import client_of
from job_engine.cli.screen import SHORT
from job_engine.client import Client
from job_engine.job.terminal import printable

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

NEWEST: Final = 200
"""Jobs that are offered."""
PATIENCE: Final = 2.0
"""Seconds that a call may take while somebody waits at the Tab key."""


def _offered(items: Callable[[Client, click.Context], Iterator[CompletionItem]]) -> Offer:
    def offer(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found: list[CompletionItem] = []
        with contextlib.suppress(Exception), client_of(ctx, timeout=PATIENCE) as client:
            found += (
                CompletionItem(item.value, help=item.help and printable(item.help))
                for item in items(client, ctx)
                if item.value.startswith(incomplete) and item.value == printable(item.value)
            )
        return found

    return offer


def _actions(client: Client, _: click.Context) -> Iterator[CompletionItem]:
    for action in client.actions():
        yield CompletionItem(action.name, help=action.summary or None)


def _parameters(client: Client, ctx: click.Context) -> Iterator[CompletionItem]:
    # bash hands over ``name=3`` as three words, the others as one
    given: tuple[str, ...] = ctx.params.get("arguments") or ()
    named = {word.partition("=")[0] for word in given}
    known = [parameter for parameter in parameters_of(client, ctx.params["action"]) if parameter.name[:2] != "**"]
    at_a_value = given[-1:] == ("=",) or (given[-2:-1] != ("=",) and given[-1:] in [(found.name,) for found in known])
    for parameter in known if not at_a_value else ():
        if parameter.name not in named:
            yield CompletionItem(f"{parameter.name}=", help=parameter.text)


def _jobs(client: Client, _: click.Context) -> Iterator[CompletionItem]:
    newest = client.jobs(select=["id", "action", "state"], orderby="created:desc", last=NEWEST)
    forms: tuple[Callable[[str], str], ...] = (lambda id_: id_[-SHORT:], lambda id_: id_.removeprefix("job/"), str)
    for form in forms:
        for job in newest:
            yield CompletionItem(form(job.id), help=f"{job.document['action']} {job.document['state']}")


def _distributions(client: Client, _: click.Context) -> Iterator[CompletionItem]:
    for distribution in client.distributions():
        yield CompletionItem(distribution["name"])


action_names: Final = _offered(_actions)
parameter_names: Final = _offered(_parameters)
distribution_names: Final = _offered(_distributions)
_any_form: Final = _offered(_jobs)


def job_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest jobs by their short ids, as lists show them; by longer ones if what was typed begins such a one."""
    return _any_form(ctx, param, incomplete)[:NEWEST]
