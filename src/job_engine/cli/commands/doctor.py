"""``job-engine doctor``"""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import click

from job_engine.cli.checks.engine import engine
from job_engine.cli.checks.machine import FAIL, WARN, Finding, local
from job_engine.cli.options.shared import command, connectable, json_option
from job_engine.cli.options.zookeeper import ZK_SEVERAL, zk_options
from job_engine.cli.screen import Styled, print_json, say
from job_engine.client import Client
from job_engine.client.discovery import data_folder
from job_engine.exit_codes import DONE, FAILED
from job_engine.job.errors import JobEngineError

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper

COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@command("doctor", several=ZK_SEVERAL)
@json_option
@connectable
@zk_options
def doctor(connect: Callable[[], Client], as_json: bool, zookeeper: "ZooKeeper | None") -> int:
    """Check an engine, and say what to do; exits with 1 when a check fails.

    With --api-url only what can be seen from here. Which ZooKeeper a server uses, it tells; --zk-hosts names another.
    """
    findings = []
    for finding in _findings(connect, zookeeper):
        findings.append(finding)
        if not as_json:
            mark = Styled(finding.outcome.ljust(4), COLOURS[finding.outcome])
            say(mark, f"  {finding.check.ljust(13)} {finding.detail}")
    failed = sum(finding.outcome == FAIL for finding in findings)
    warned = sum(finding.outcome == WARN for finding in findings)
    if as_json:
        print_json({"ok": not failed, "checks": [finding._asdict() for finding in findings]})
    else:
        say(f"\n{len(findings)} checks, {failed} failed, {warned} to look at")
    return FAILED if failed else DONE


def _findings(connect: Callable[[], Client], zookeeper: "ZooKeeper | None") -> Iterator[Finding]:
    given = click.get_current_context().params
    folder = data_folder(given["data"], os.environ).absolute()
    if zookeeper is not None:
        from job_engine.cli.checks import zookeeper as checks_zookeeper

        yield from checks_zookeeper.zookeeper(zookeeper)
        if given["api_url"] is None and given["profile"] is None and not folder.exists():
            return  # a machine of a cluster that has no engine of its own, and no other was named
    if given["api_url"] is None:
        yield from local(folder)
    try:
        client = connect()
    except JobEngineError as error:
        yield Finding("server", FAIL, error.message)
        return
    with client:
        yield from engine(client)
        if zookeeper is None:
            from job_engine.cli.checks import zookeeper as checks_zookeeper

            yield from checks_zookeeper.of_server(client)
