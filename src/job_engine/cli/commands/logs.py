"""``job-engine logs``"""

from typing import Final

import click

from job_engine.cli.jobs.completing import job_ids
from job_engine.cli.jobs.ids import whole_id
from job_engine.cli.options.shared import command, connecting, json_option, option
from job_engine.cli.screen import Styled, print_json, say
from job_engine.client import Client

COLOURS: Final = {"warning": "yellow", "error": "red", "critical": "red", "debug": "bright_black"}


@command("logs")
@click.argument("job", metavar="ID", shell_complete=job_ids)
@option("-f", "--follow", is_flag=True, help="Print what comes, until the job is final.")
@option("--timestamps", "-t", is_flag=True, help="Begin each line with its time.")
@json_option
@connecting
def logs(client: Client, job: str, follow: bool, timestamps: bool, as_json: bool) -> None:
    """Print the log of a job: what its action logged and printed. With --json a line is an object."""
    attempt = None
    for line in client.job(whole_id(client, job)).logs(follow=follow):
        if as_json:
            print_json(line)
            continue
        if line.attempt != attempt:
            if attempt is not None or line.attempt > 1:
                say(Styled(f"--- attempt {line.attempt}", dim=True), err=True)
            attempt = line.attempt
        say(Styled(f"{line.at}  " if timestamps else "", dim=True), Styled(line.text, COLOURS.get(line.level)))
