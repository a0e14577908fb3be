"""``job-engine delete``"""

from job_engine.cli.jobs.each import chosen, for_each
from job_engine.cli.options.shared import command, connecting
from job_engine.client import Client


@command("delete")
@chosen
@connecting
def delete(client: Client, jobs: tuple[str, ...], cimi: str | None, yes: bool) -> None:
    """Delete jobs, with their logs. One that runs is interrupted."""

    def act(job: str) -> str:
        client.delete(job)
        return f"{job} deleted"

    for_each(client, jobs, cimi, yes, "delete", act)
