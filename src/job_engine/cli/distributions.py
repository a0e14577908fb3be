"""``job-engine distributions``"""

import sys
from typing import Any

import click

from job_engine.cli.options import command, connecting, json_option
from job_engine.cli.screen import age, first_line, print_json, print_table
from job_engine.client import Client


@command("distributions")
@click.argument("deed", type=click.Choice(["list", "run", "pause", "resume"]), default="list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@connecting
def distributions(client: Client, deed: str, names: tuple[str, ...], as_json: bool) -> None:
    """List the distributions; run one now, pause or resume one.

    \b
    job-engine distributions
    job-engine distributions run NAME        has its leader make a tick now, paused or not
    job-engine distributions pause NAME      no tick until it is resumed
    job-engine distributions resume NAME     what was missed meanwhile goes by its policy
    """
    if deed == "list":
        found = sorted(
            [client.distribution(name) for name in names] if names else client.distributions(),
            key=lambda document: str(document["name"]),
        )
        if as_json:
            print_json(found)
        elif not found and sys.stdout.isatty():
            click.echo("no distribution; a distributor brings one: job-engine up, or job-engine distributor")
        else:
            _table(found)
        return
    if not names:
        raise click.UsageError(f"name the distributions to {deed}; job-engine distributions lists them")
    does, done = {
        "run": (client.run_distribution, "is asked to run"),
        "pause": (client.pause_distribution, "is paused"),
        "resume": (client.resume_distribution, "is resumed"),
    }[deed]
    documents = [does(name) for name in names]
    if as_json:
        print_json(documents)
        return
    for name in names:
        click.echo(f"{name} {done}")


def _table(found: list[dict[str, Any]]) -> None:
    print_table(
        ("name", "schedule", "leader", "contenders", "last", "next", "jobs", "last error"),
        [
            (
                document["name"],
                _schedule(document),
                document.get("leader") or document.get("ticked-by") or "",
                str(len(document["contenders"])) if "contenders" in document else "",
                _ago(document.get("last-tick")),
                "paused" if document["paused"] else age(document.get("next-tick")),
                str(document.get("jobs-made", 0)),
                first_line(document.get("last-error")),
            )
            for document in found
        ],
    )


def _schedule(document: dict[str, Any]) -> str:
    if document.get("every"):
        return f"every {document['every']}"
    zone = document.get("timezone")
    shown = str(document.get("cron") or "")
    return f"{shown} {zone}" if shown and zone not in (None, "UTC") else shown


def _ago(at: str | None) -> str:
    return f"{age(at)} ago" if at else ""
