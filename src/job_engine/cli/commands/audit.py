"""``job-engine audit``"""

from typing import Any

import click

from job_engine.cli.options.shared import command, connecting, json_option, option
from job_engine.cli.screen import print_json, print_table, say, say_empty
from job_engine.client import Client


@command("audit")
@option(
    "--filter",
    "cimi",
    envvar="JOB_ENGINE_AUDIT_FILTER",
    metavar="FILTER",
    help="In CIMI's language, e.g. \"outcome!='success' and client-ip='192.0.2.7'\".",
)
@option("--user", metavar="NAME", help="Only what this user did, or who tried to log in by this name.")
@option("--operation", metavar="NAME", help="Only this, or what begins so, e.g. user.delete or user.")
@option("--limit", type=click.IntRange(1, 10_000), default=50, help="How many at most.")
@json_option
@connecting
def audit(client: Client, cimi: str | None, user: str | None, operation: str | None, limit: int, as_json: bool) -> None:
    """List who did what, newest first: logins and refused ones, users, groups, keys, rights, deletes, cancels.

    For administrators.
    """
    parts = [f"({cimi})"] if cimi else []
    if user is not None:
        parts.append(f"(user={_quoted(user)} or user-name={_quoted(user)})")
    if operation is not None:
        parts.append(f"operation^={_quoted(operation)}")
    found = client.search("audit-event", filter=" and ".join(parts) or None, orderby="id:desc", last=limit)
    events: list[dict[str, Any]] = found["resources"]
    if as_json:
        print_json(events)
        return
    if not events:
        say_empty("nothing matches" if parts else "nothing is in the audit")
        return
    print_table(
        ("when", "who", "from", "what", "outcome", "on", "detail"),
        [
            (
                event["created"],
                event.get("user-name") or event["user"],
                event["client-ip"],
                event["operation"],
                event["outcome"] + (f" ({event['count']} times)" if "count" in event else ""),
                event.get("resource-name") or event["resource"],
                event.get("detail", ""),
            )
            for event in events
        ],
    )
    if len(events) < found["count"]:
        say(f"{len(events)} of {found['count']}; more with --limit", err=True)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
