"""``job-engine explain``"""

import click

from job_engine.cli.completing import job_ids
from job_engine.cli.ids import whole_id
from job_engine.cli.options import command, connecting, json_option
from job_engine.cli.screen import coloured, print_json
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
    click.echo(f"{coloured(found.state)}  {found.summary}")
    if found.terms:
        click.echo()
    for term in found.terms:
        mark = click.style("yes", fg="green") if term.met else click.style("no ", fg="red")
        click.echo(f"  {mark}  {term.term}" + (f": {term.detail}" if term.detail else ""))
    if events:
        click.echo()
    for event in events:
        attempt = f" (attempt {event.attempt})" if event.attempt else ""
        detail = f": {event.detail}" if event.detail else ""
        click.echo(f"  {click.style(event.at, dim=True)}  {event.kind}{attempt}{detail}")
