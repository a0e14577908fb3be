"""``job-engine executor``: takes jobs and runs them."""

import os
from pathlib import Path
from typing import Any

import click

from job_engine.cli.group import Session
from job_engine.cli.journal import log_to_stderr
from job_engine.cli.options import api_options, command, data_option, duration, engine_option
from job_engine.client.discovery import find
from job_engine.client.endpoint import Credentials


def _api(function: Any) -> Any:
    for decorate in api_options():
        function = decorate(function)
    return function


@command("executor", several=("--actions",))
@_api
@data_option("Folder of the engine on this machine, instead of --api-url.  [default: the user's data folder]")
@engine_option("--name", metavar="NAME", help="How people know it.  [default: made of the host's name]")
@engine_option(
    "--actions", metavar="MODULE|FILE|DIR...", multiple=True, help="Where actions are, beside installed packages."
)
@engine_option("--processes", type=click.IntRange(1), help="Worker processes.  [default: one a core]")
@engine_option("--threads", type=click.IntRange(1), default=4, help="Jobs at a time in each of them.")
@engine_option(
    "--shutdown-timeout",
    metavar="TIME",
    type=duration,
    default="120s",
    help="How long running jobs may take to finish after SIGTERM or Ctrl-C.",
)
@engine_option(
    "--api-grace",
    metavar="TIME",
    type=duration,
    default="30s",
    help="How long the API may be away before running jobs are interrupted and given back; "
    "never longer than their holds last, about 7 s.",
)
@engine_option("--run-dir", type=click.Path(path_type=Path), help="Folder for its lock; who follows in it takes over.")
@engine_option("-l", "--log-level", metavar="LEVEL", default="INFO", help="DEBUG, INFO, WARNING or ERROR.")
@click.option("--parent-fd", type=int, hidden=True)
@click.pass_context
def executor(
    ctx: click.Context,
    data: Path | None,
    name: str | None,
    actions: tuple[str, ...],
    processes: int | None,
    threads: int,
    shutdown_timeout: float,
    api_grace: float,
    run_dir: Path | None,
    log_level: str,
    parent_fd: int | None,
    api_url: str | None,
    api_user: str | None,
    api_pass: str | None,
    api_key: str | None,
    api_secret: str | None,
    api_insecure: bool | None,
) -> int:
    """Run an executor: it takes jobs from an API server and runs their actions.

    The first SIGTERM or Ctrl-C lets running jobs finish for --shutdown-timeout, a second one stops at once.
    """
    from job_engine.executor.run import run
    from job_engine.executor.settings import ExecutorSettings

    session = ctx.find_object(Session)
    # Upstream's JOB_LOG_LEVEL beats the flag.
    level = os.environ.get("JOB_LOG_LEVEL") or ("DEBUG" if session is not None and session.debug else log_level)
    log_to_stderr(level)
    given = Credentials(username=api_user, password=api_pass, key=api_key, secret=api_secret)
    found = find(
        environ=os.environ,
        url=api_url,
        credentials=given if given.can_log_in else None,
        insecure=api_insecure or None,
        data=data,
    )
    settings: dict[str, Any] = {} if processes is None else {"processes": processes}
    return run(
        ExecutorSettings(
            api_url=found.url,
            credentials=found.credentials,
            insecure=found.insecure,
            name=name or "",
            threads=threads,
            actions=actions,
            shutdown_timeout=shutdown_timeout,
            api_grace=api_grace,
            run_dir=run_dir,
            log_level=level.upper(),
            parent_fd=parent_fd,
            **settings,
        )
    )
