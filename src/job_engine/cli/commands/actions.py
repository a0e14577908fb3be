"""``job-engine actions``"""

import sys
from collections.abc import Mapping, Sequence

from job_engine.cli.options.shared import command, connecting, json_option
from job_engine.cli.screen import Styled, print_json, print_table, say, say_empty
from job_engine.client import Client
from job_engine.client.responses import ActionInfo


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
        _print(sorted(found, key=lambda action: action.name), names)
    for source, error in failed.items():
        say(Styled("failed to import", "red"), f" {source}: {error}", err=True)


def _print(found: Sequence[ActionInfo], names: Mapping[str, str]) -> None:
    """A table for programs; on a terminal some lines an action, for a signature needs more than a column."""
    rows = [
        (
            action.name,
            "?" if action.parameters is None else ", ".join(parameter.text for parameter in action.parameters) or "-",
            action.summary,
            action.file,
            ", ".join(sorted(names.get(executor, executor) for executor in action.executors)),
        )
        for action in found
    ]
    if not sys.stdout.isatty():
        print_table(("action", "parameters", "summary", "file", "executors"), rows)
        return
    for name, parameters, summary, file, executors in rows:
        told = {"?": " (parameters unknown)", "-": ""}.get(parameters, f" {parameters}")
        say(Styled(name, bold=True), told)
        if summary:
            say(f"    {summary}")
        say(Styled(f"    {file}  {executors}" if file else f"    {executors}", dim=True))
