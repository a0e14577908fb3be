"""``job-engine show``"""

import sys
from typing import Any, Final

import click
import msgspec

from job_engine.cli.command_line import here
from job_engine.cli.jobs.completing import job_ids
from job_engine.cli.jobs.family import print_reasons
from job_engine.cli.jobs.ids import whole_id
from job_engine.cli.options.shared import command, connecting, json_option, option
from job_engine.cli.screen import Styled, coloured, print_fields, print_json, say
from job_engine.client import Client
from job_engine.job.bulk_message import found

FIRST: Final = ("id", "name", "action", "state", "progress", "status-message", "return-code", "result", "payload")
LAST: Final = ("output",)
HIDDEN: Final = frozenset({"resource-type", "operations", "acl", "version", "affected-resources"})


@command("show")
@click.argument("job", metavar="ID", shell_complete=job_ids)
@option(
    "--all",
    "everything",
    envvar="JOB_ENGINE_SHOW_ALL",
    is_flag=True,
    help="With ACL and what else is rarely of interest.",
)
@json_option
@connecting
def show(client: Client, job: str, everything: bool, as_json: bool) -> None:
    """Show a job. ID may be the beginning of an id."""
    document = client.document(whole_id(client, job))
    if as_json:
        print_json(document)
        return
    family = found(document.get("status-message"))
    if family is not None:
        document = {**document, "status-message": family.sentence}
    middle = [name for name in document if name not in FIRST and name not in LAST]
    names = [name for name in (*FIRST, *middle, *LAST) if name in document and (everything or name not in HIDDEN)]
    print_fields([(name, _text(name, document[name])) for name in names])
    if family is not None and family.reasons:
        say("")
        print_reasons(family)
    if family is not None and family.jobs_count and sys.stdout.isatty():
        say(Styled(f"its children: {here('jobs', '--parent', document['id'])}", dim=True), err=True)


def _text(name: str, value: Any) -> str | Styled:
    if name == "state":
        return coloured(str(value))
    if name == "progress":
        return f"{value}%"
    if name == "target-resource" and isinstance(value, dict):
        return str(value.get("href"))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
