"""``job-engine cancel``"""

import click

from job_engine.cli.each import for_each
from job_engine.cli.options import command, connecting
from job_engine.client import Client


@command("cancel")
@click.argument("jobs", metavar="ID...", nargs=-1, required=True)
@connecting
def cancel(client: Client, jobs: tuple[str, ...]) -> None:
    """Cancel jobs. One that runs is interrupted within a second."""
    for_each(client, jobs, lambda job: f"{client.cancel(job).id} canceled")
