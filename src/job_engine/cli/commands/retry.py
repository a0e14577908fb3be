"""``job-engine retry``"""

from job_engine.cli.jobs.each import chosen, for_each
from job_engine.cli.options.shared import command, connecting
from job_engine.client import Client


@command("retry")
@chosen
@connecting
def retry(client: Client, jobs: tuple[str, ...], cimi: str | None, yes: bool) -> None:
    """Run final jobs again, as new jobs; prints their ids."""
    for_each(client, jobs, cimi, yes, "run again", lambda job: client.retry(job).id)
