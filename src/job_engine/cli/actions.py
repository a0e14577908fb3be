"""``job-engine actions``"""

import click

from job_engine.cli.options import command, connecting, json_option
from job_engine.cli.screen import print_json, print_table, say_empty
from job_engine.client import Client


@command("actions")
@json_option
@connecting
def actions(client: Client, as_json: bool) -> None:
    """List the actions that executors have, and those that failed to import."""
    found, executors = client.actions(), client.executors()
    failed = {source: error for executor in executors for source, error in executor.failed_imports.items()}
    if as_json:
        print_json({"actions": found, "failed-imports": failed})
        return
    if not found:
        say_empty("no executor has an action; start one with: job-engine up --actions FILE")
    else:
        names = {executor.id: executor.name or executor.id for executor in executors}
        print_table(
            ("action", "executors"),
            [
                (action.name, ", ".join(sorted(names.get(executor, executor) for executor in action.executors)))
                for action in sorted(found, key=lambda action: action.name)
            ],
        )
    for source, error in failed.items():
        click.echo(f"{click.style('failed to import', fg='red')} {source}: {error}", err=True)
