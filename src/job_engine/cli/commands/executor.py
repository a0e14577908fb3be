"""``job-engine executor``: takes jobs and runs them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from job_engine.cli.options.api_server import Locate, api_server
from job_engine.cli.options.parts import (
    actions_option,
    log_level_option,
    mask_patterns_option,
    name_option,
    needed_option,
    parent_option,
    patterns_in,
    processes_option,
    shutdown_timeout_option,
    threads_option,
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

LIGHT_IMAGE: Final = "job-lite"
"""The value of upstream's ``IMAGE_NAME`` with which only actions for pull mode are loaded."""
NUVLAEDGE_FS: Final = "/srv/nuvlaedge/shared/"


def job_id(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """The id of a job, with or without its type."""
    return value if value is None or value.startswith("job/") else f"job/{value}"


@command("executor", several=("--actions", *ZK_SEVERAL))
@api_server
@zk_options
@engine_option("--job-id", metavar="ID", callback=job_id, help="Run this one job, without ZooKeeper, and end.")
@name_option
@actions_option
@needed_option
@processes_option
@threads_option
@shutdown_timeout_option
@engine_option(
    "--api-grace",
    metavar="TIME",
    type=duration,
    default="30s",
    help="How long the API may be away before running jobs are interrupted and given back; "
    "without ZooKeeper never longer than their holds last, about 7 s.",
)
@engine_option(
    "--unknown-action-grace",
    metavar="TIME",
    type=duration,
    default="10m",
    help="Beside Nuvla: how long a job is left to other executors whose action this one lacks, before it is FAILED.",
)
@engine_option(
    "--logs-in-output",
    is_flag=True,
    help="Show in the output of every job, Nuvla's too, all that it prints and that is logged meanwhile. Everybody who "
    "sees a job reads its output, and libraries log secrets.",
)
@engine_option(
    "--full-api",
    is_flag=True,
    help="Hand out this executor's credentials to actions, which then do by job.api and Client() whatever it may, "
    "instead of what the owner of their job may.",
)
@wait_option
@engine_option("--run-dir", type=click.Path(path_type=Path), help="Folder for its lock; who follows in it takes over.")
@engine_option(
    "--nuvlaedge-fs",
    metavar="PATH",
    default=NUVLAEDGE_FS,
    help="The folder that a NuvlaEdge shares with its jobs: job.nuvlaedge_shared_path.",
)
@engine_option(
    "--statsd", metavar="HOST[:PORT]", help="Accepted for Nuvla's sake: its gauges are the distributor's, not ours."
)
@mask_patterns_option
@health_checked("executor")
@log_level_option()
@parent_option
def executor(
    locate: Locate,
    zookeeper: "ZooKeeper | None",
    job_id: str | None,
    name: str | None,
    actions: tuple[str, ...],
    needed: bool,
    processes: int | None,
    threads: int,
    shutdown_timeout: float,
    api_grace: float,
    unknown_action_grace: float,
    logs_in_output: bool,
    full_api: bool,
    no_wait_for_api: bool,
    run_dir: Path | None,
    nuvlaedge_fs: str,
    statsd: str | None,
    mask_patterns: Path | None,
    log_level: str,
    parent_fd: int | None,
    on_start: Callable[[], None],
) -> int:
    """Run an executor: it takes jobs and runs their actions.

    The first SIGTERM or Ctrl-C lets running jobs finish for --shutdown-timeout, a second one stops at once.

    With --zk-hosts it takes jobs from the locking queue in ZooKeeper, beside a server that was started with the same,
    or beside a Nuvla server; without, from the API server itself.
    """
    from job_engine.executor.run import run
    from job_engine.executor.settings import ExecutorSettings

    level = meant_level(log_level)
    log_to_stderr(level)
    found = locate()
    environ = os.environ
    forget(environ)
    settings: dict[str, Any] = {} if processes is None else {"processes": processes}
    if environ.get("JOB_ENGINE_VERSION"):
        settings["version"] = environ["JOB_ENGINE_VERSION"]
    if run_dir is not None and job_id is not None:
        raise Invalid("--run-dir is for an executor that stays; --job-id runs one job: leave one of them out")
    return run(
        ExecutorSettings(
            api_url=found.url,
            credentials=found.credentials,
            tls=found.tls,
            zookeeper=zookeeper,
            wait_for_api=not no_wait_for_api,
            job_id=job_id,
            full_api=full_api,
            name=name or "",
            threads=threads,
            actions=actions,
            needed=needed,
            pull_mode_only=environ.get("IMAGE_NAME") == LIGHT_IMAGE,
            nuvlaedge_fs=nuvlaedge_fs,
            shutdown_timeout=shutdown_timeout,
            api_grace=api_grace,
            unknown_action_grace=unknown_action_grace,
            logs_in_output=logs_in_output,
            masked=patterns_in(mask_patterns),
            run_dir=run_dir,
            log_level=level,
            parent_fd=parent_fd,
            on_start=on_start,
            **settings,
        )
    )
