"""``job-engine explain``"""

import click

from job_engine.cli.jobs.completing import job_ids
from job_engine.cli.jobs.ids import whole_id
from job_engine.cli.options.shared import command, connecting, json_option
from job_engine.cli.screen import Styled, coloured, print_json, say
from job_engine.client import Client


@command("explain")
@click.argument("job", metavar="ID", shell_complete=job_ids)
@json_option
@connecting
def explain(client: Client, job: str, as_json: bool) -> None:
    """Say why a job is where it is: the conditions to run, its history."""
    handle = client.job(whole_id(client, job))
    found, events = handle.explain(), handle.events()
    if as_json:
        print_json({"state": found.state, "summary": found.summary, "terms": found.terms, "events": events})
        return
    say(coloured(found.state), f"  {found.summary}")
    if found.terms:
        say("")
    for term in found.terms:
        mark = Styled("yes", "green") if term.met else Styled("no ", "red")
        say("  ", mark, f"  {term.term}", f": {term.detail}" if term.detail else "")
    if events:
        say("")
    for event in events:
        attempt = f" (attempt {event.attempt})" if event.attempt else ""
        detail = f": {event.detail}" if event.detail else ""
        say("  ", Styled(event.at, dim=True), f"  {event.kind}{attempt}{detail}")
