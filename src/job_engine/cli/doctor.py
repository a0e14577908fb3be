"""``job-engine doctor``"""

import os
from collections.abc import Callable, Iterator
from typing import Final

import click

from job_engine.cli.checks import FAIL, WARN, Finding, engine, local
from job_engine.cli.exits import DONE, FAILED
from job_engine.cli.options import command, connectable, json_option
from job_engine.cli.screen import print_json
from job_engine.client import Client
from job_engine.client.discovery import data_folder
from job_engine.job.errors import JobEngineError

COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@command("doctor")
@json_option
@connectable
def doctor(connect: Callable[[], Client], as_json: bool) -> int:
    """Check an engine, and say what to do; exits with 1 when a check fails.

    With --api-url only what can be seen from here.
    """
    findings = []
    for finding in _findings(connect):
        findings.append(finding)
        if not as_json:
            mark = click.style(finding.outcome.ljust(4), fg=COLOURS[finding.outcome])
            click.echo(f"{mark}  {finding.check.ljust(12)} {finding.detail}")
    failed = sum(finding.outcome == FAIL for finding in findings)
    warned = sum(finding.outcome == WARN for finding in findings)
    if as_json:
        print_json({"ok": not failed, "checks": [finding._asdict() for finding in findings]})
    else:
        click.echo(f"\n{len(findings)} checks, {failed} failed, {warned} to look at")
    return FAILED if failed else DONE


def _findings(connect: Callable[[], Client]) -> Iterator[Finding]:
    given = click.get_current_context().params
    if given["api_url"] is None:
        yield from local(data_folder(given["data"], os.environ).absolute())
    try:
        client = connect()
    except JobEngineError as error:
        yield Finding("server", FAIL, error.message)
        return
    with client:
        yield from engine(client)
