"""``job-engine cancel``"""

from job_engine.cli.jobs.each import chosen, for_each
from job_engine.cli.options.shared import command, connecting
from job_engine.client import Client


@command("cancel")
@chosen
@connecting
def cancel(client: Client, jobs: tuple[str, ...], cimi: str | None, yes: bool) -> None:
    """Cancel jobs. One that runs is interrupted within a second."""
    for_each(client, jobs, cimi, yes, "cancel", lambda job: f"{client.cancel(job).id} canceled")
