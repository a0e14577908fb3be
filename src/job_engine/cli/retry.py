"""``job-engine retry``"""

import click

from job_engine.cli.each import for_each
from job_engine.cli.options import command, connecting
from job_engine.client import Client


@command("retry")
@click.argument("jobs", metavar="ID...", nargs=-1, required=True)
@connecting
def retry(client: Client, jobs: tuple[str, ...]) -> None:
    """Run final jobs again, as new jobs; prints their ids."""
    for_each(client, jobs, lambda job: client.retry(job).id)
