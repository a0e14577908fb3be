"""One thing done to several jobs."""

from collections.abc import Callable, Iterable

import click

from job_engine.cli.ids import whole_id
from job_engine.client import Client
from job_engine.job.errors import Conflict, Forbidden, Invalid, JobEngineError, NotFound


def for_each(client: Client, jobs: Iterable[str], act: Callable[[str], str]) -> None:
    """Does ``act`` to each and prints what it returns; one that cannot be done does not keep the others from it.

    Raises:
        JobEngineError: one or more could not be done; the message says why.
    """
    failures: list[JobEngineError] = []
    for job in jobs:
        try:
            click.echo(act(whole_id(client, job)))
        except (Invalid, Forbidden, NotFound, Conflict) as error:
            failures.append(error)
    if failures:
        raise type(failures[0])("; ".join(failure.message for failure in failures))
