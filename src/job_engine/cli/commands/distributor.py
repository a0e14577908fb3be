"""``job-engine distributor``: makes jobs on schedules."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from job_engine.cli.options.api_server import Locate, api_server
from job_engine.cli.options.parts import (
    distributions_option,
    keep_jobs_option,
    keeping,
    log_level_option,
    name_option,
    needed_option,
    parent_option,
    wait_option,
)
from job_engine.cli.options.secrets import forget
from job_engine.cli.options.shared import command, duration, engine_option
from job_engine.cli.options.zookeeper import ZK_SEVERAL, zk_options
from job_engine.cli.processes.health import health_checked
from job_engine.cli.processes.journal import log_to_stderr, meant_level
from job_engine.job.errors import Invalid

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper

SEVERAL: Final = ("--distributions", "--only", "--distribution-exclude", "--distribution-interval")


@command("distributor", several=(*SEVERAL, *ZK_SEVERAL))
@api_server
@name_option
@distributions_option
@needed_option
@engine_option("--only", metavar="NAME...", multiple=True, help="Make jobs for these distributions, and no others.")
@engine_option("--distribution-exclude", metavar="NAME...", multiple=True, help="Leave these distributions alone.")
@engine_option(
    "--distribution-interval",
    metavar="NAME:SECONDS...",
    multiple=True,
    help="Intervals instead of the distributions' own schedules.",
)
@keep_jobs_option
@zk_options
@wait_option
@engine_option("--statsd", metavar="HOST[:PORT]", help="Where upstream's distributions send their gauges.")
@health_checked("distributor")
@log_level_option()
@click.option("--nuvlaedge-fs", hidden=True, help="Upstream's; means nothing here.")
@parent_option
def distributor(
    locate: Locate,
    name: str | None,
    distributions: tuple[str, ...],
    needed: bool,
    only: tuple[str, ...],
    distribution_exclude: tuple[str, ...],
    distribution_interval: tuple[str, ...],
    keep_jobs: str,
    zookeeper: "ZooKeeper | None",
    no_wait_for_api: bool,
    statsd: str | None,
    log_level: str,
    nuvlaedge_fs: str | None,
    parent_fd: int | None,
    on_start: Callable[[], None],
) -> int:
    """Run a distributor: it makes the jobs of distributions when they are due.

    Run as many as you like: a tick makes its jobs once. With --zk-hosts each distribution is led by one of them, and by
    another when that one ends. SIGTERM or Ctrl-C stops it at once.
    """
    from job_engine.distributor.run import run
    from job_engine.distributor.settings import DistributorSettings

    level = meant_level(log_level)
    log_to_stderr(level)
    found = locate()
    forget(os.environ)
    return run(
        DistributorSettings(
            api_url=found.url,
            credentials=found.credentials,
            tls=found.tls,
            name=name or "",
            distributions=distributions,
            needed=needed,
            only=only,
            exclude=distribution_exclude,
            intervals=tuple(_interval(text) for text in distribution_interval),
            keep_jobs=keeping(keep_jobs),
            zookeeper=zookeeper,
            wait_for_api=not no_wait_for_api,
            statsd=statsd,
            log_level=level,
            parent_fd=parent_fd,
            on_start=on_start,
        )
    )


def _interval(text: str) -> tuple[str, float]:
    name, _, seconds = text.rpartition(":")
    if not name:
        raise Invalid(f"--distribution-interval: {text!r} is not NAME:SECONDS, such as cleanup_jobs:3600")
    return name, duration(seconds)
