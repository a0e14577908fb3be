"""``job-engine distributions``"""

import time
from typing import Any

import click

from job_engine.cli.jobs.completing import distribution_names
from job_engine.cli.options.shared import command, connecting, json_option
from job_engine.cli.screen import age, first_line, length, print_json, print_table, say, say_empty
from job_engine.client import Client
from job_engine.job.distributions import overdue, schedule, silence
from job_engine.job.times import epoch


@command("distributions")
@click.argument("deed", type=click.Choice(["list", "run", "pause", "resume"]), default="list")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=distribution_names)
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
        elif not found:
            say_empty("no distribution; a distributor brings one: job-engine up, or job-engine distributor")
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
    for document in documents:
        if not as_json:
            say(f"{document['name']} {done}")
        if deed == "run" and (silent := silence(document, time.time())) is not None:
            say(
                f"{document['name']}: no distributor that makes its jobs is alive (none was heard of for"
                f" {length(silent)}); it runs when one is",
                err=True,
            )


def _table(found: list[dict[str, Any]]) -> None:
    now = time.time()
    print_table(
        ("name", "schedule", "leader", "contenders", "last", "next", "jobs", "last error"),
        [
            (
                document["name"],
                schedule(document),
                _leader(document, now),
                str(len(document["contenders"])) if "contenders" in document else "",
                _ago(document.get("last-tick")),
                _next(document, now),
                str(document.get("jobs-made", 0)),
                first_line(document.get("last-error")),
            )
            for document in found
        ],
    )


def _leader(document: dict[str, Any], now: float) -> str:
    """Who makes its jobs, while somebody is alive who does."""
    known = str(document.get("leader") or document.get("ticked-by") or "")
    if (silent := silence(document, now)) is None:
        return known
    last = f"last was {known}, " if known else ""
    return f"none ({last}not heard of for {length(silent)})"


def _next(document: dict[str, Any], now: float) -> str:
    if document["paused"]:
        return "paused"
    at = document.get("next-tick")
    if at is None or epoch(at) > now:
        return age(at, now)
    return f"{age(at, now)} ago, overdue" if overdue(document, now) else "now"


def _ago(at: str | None) -> str:
    return f"{age(at)} ago" if at else ""
