"""One thing done to several jobs: those that are named, or those that match a filter."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from job_engine.cli.jobs.completing import job_ids
from job_engine.cli.jobs.ids import whole_id
from job_engine.cli.options.shared import option
from job_engine.cli.screen import say, say_empty
from job_engine.client import Client
from job_engine.job.errors import Conflict, Forbidden, Invalid, JobEngineError, NotFound

SHOWN: Final = 10
"""Jobs that could not be done and are named."""


def chosen(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what says which jobs are meant: ids, or ``--filter`` and ``--yes``."""
    name = function.__name__.upper()
    for decorate in (
        click.argument("jobs", metavar="[ID]...", nargs=-1, shell_complete=job_ids),
        option("--yes", "-y", is_flag=True, help="Do not ask before it is done to what matches --filter."),
        option(
            "--filter",
            "cimi",
            envvar=f"JOB_ENGINE_{name}_FILTER",
            metavar="FILTER",
            help="All jobs that match, instead of ids, e.g. \"state='FAILED' and action='hash'\".",
        ),
    ):
        function = decorate(function)
    return function


def for_each(
    client: Client, jobs: Iterable[str], cimi: str | None, yes: bool, what: str, act: Callable[[str], str]
) -> None:
    """Does ``act`` to each and prints what it returns; one that cannot be done does not keep the others from it.

    Raises:
        JobEngineError: one or more could not be done; the message says why.
        click.Abort: the question is answered with no.
    """
    ids = list(jobs)
    if bool(ids) == bool(cimi):
        raise click.UsageError("name jobs by their ids, or give --filter, and not both")
    if cimi:
        ids = [document["id"] for document in client.each("job", cimi, select=["id"])]
        if not ids:
            say_empty("no jobs match")
            return
        if not yes:
            click.confirm(f"{what} {len(ids)} job{'s' * (len(ids) > 1)}?", abort=True, err=True)
    failures: list[JobEngineError] = []
    for job in ids:
        try:
            say(act(job if cimi else whole_id(client, job)))
        except (Invalid, Forbidden, NotFound, Conflict) as error:
            failures.append(error)
    if failures:
        first = "; ".join(failure.message for failure in failures[:SHOWN])
        more = f"; and {len(failures) - SHOWN} more" if len(failures) > SHOWN else ""
        raise type(failures[0])(first + more)
