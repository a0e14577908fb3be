"""``job-engine jobs``"""

from typing import Final

import click

from job_engine.cli.jobs.completing import action_names, job_ids
from job_engine.cli.jobs.ids import whole_id
from job_engine.cli.options.shared import command, connecting, json_option, option
from job_engine.cli.screen import age, cut, print_json, print_table, say, say_empty, short_id
from job_engine.client import Client
from job_engine.job.bulk_message import in_short
from job_engine.job.states import State

ACTION: Final = 24
"""Characters of an action's name on a terminal."""


@command("jobs")
@option(
    "--filter",
    "cimi",
    envvar="JOB_ENGINE_JOBS_FILTER",
    metavar="FILTER",
    help="In CIMI's language, e.g. \"progress>50 and tags='nightly'\".",
)
@option("--state", type=click.Choice(list(State), case_sensitive=False), multiple=True, help="Only in this state.")
@option("--action", metavar="NAME", multiple=True, shell_complete=action_names, help="Only of this action.")
@option("--parent", metavar="ID", shell_complete=job_ids, help="Only children of this job.")
@option("--limit", type=click.IntRange(1, 10_000), default=30, help="How many at most.")
@json_option
@connecting
def jobs(
    client: Client,
    cimi: str | None,
    state: tuple[str, ...],
    action: tuple[str, ...],
    parent: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, newest first."""
    family = () if parent is None else (whole_id(client, parent),)
    asked = (cimi, _any_of("state", state), _any_of("action", action), _any_of("parent-job", family))
    parts = [part for part in asked if part is not None]
    wanted = parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)
    found = client.search("job", filter=wanted or None, orderby="created:desc", last=limit)
    documents = found["resources"]
    if as_json:
        print_json(documents)
        return
    if not documents:
        say_empty("no jobs" + (" match" if wanted else "; add one with: job-engine submit noop"))
        return
    print_table(
        ("id", "action", "state", "done", "age", "message"),  # within 80 columns, the message in what is left
        [
            (
                short_id(document["id"]),
                cut(document.get("action", ""), ACTION),
                document.get("state", ""),
                f"{document.get('progress', 0)}%",
                age(document.get("created")),
                in_short(document.get("status-message")),
            )
            for document in documents
        ],
    )
    if len(documents) < found["count"]:
        say(f"{len(documents)} of {found['count']}; more with --limit", err=True)


def _any_of(attribute: str, values: tuple[str, ...]) -> str | None:
    """A filter, or None without values."""
    quoted = (value.replace("\\", "\\\\").replace("'", "\\'") for value in values)
    return " or ".join(f"{attribute}='{value}'" for value in quoted) or None
