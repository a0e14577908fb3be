"""The options of executor and distributor that these share, or that `up` passes on to them."""

from typing import Any, Final

import click

from job_engine.cli.options import Decorator, duration, engine_option

FOREVER: Final = "forever"
"""Instead of a time: no job is ever deleted."""

name_option: Final = engine_option(
    "--name", metavar="NAME", help="How people know it.  [default: made of the host's name]"
)
actions_option: Final = engine_option(
    "--actions", metavar="MODULE|FILE|DIR...", multiple=True, help="Where actions are, beside installed packages."
)
processes_option: Final = engine_option(
    "--processes", type=click.IntRange(1), help="Worker processes.  [default: one a core]"
)
threads_option: Final = engine_option(
    "--threads", type=click.IntRange(1), default=4, help="Jobs at a time in each of them."
)
distributions_option: Final = engine_option(
    "--distributions",
    metavar="MODULE|FILE|DIR...",
    multiple=True,
    help="Where distributions are, beside installed packages.",
)
keep_jobs_option: Final = engine_option(
    "--keep-jobs",
    metavar="TIME",
    default="7d",
    help=f"How long jobs are kept after their end; {FOREVER}: until somebody deletes them.",
)
needed_option: Final = click.option(
    "--needed", is_flag=True, hidden=True, help="Whether what is named by --actions or --distributions has to load."
)
wait_option: Final = engine_option(
    "--no-wait-for-api",
    is_flag=True,
    help="End with code 1 if the API server does not answer at the start, instead of waiting for it.",
)
shutdown_timeout_option: Final = engine_option(
    "--shutdown-timeout",
    metavar="TIME",
    type=duration,
    default="120s",
    help="How long running jobs may take to finish after SIGTERM or Ctrl-C.",
)
parent_option: Final[Decorator[Any]] = click.option("--parent-fd", type=int, hidden=True)


def log_level_option(default: str = "INFO") -> Decorator[Any]:
    """``--log-level``."""
    return engine_option("-l", "--log-level", metavar="LEVEL", default=default, help="DEBUG, INFO, WARNING or ERROR.")


def keeping(text: str) -> float | None:
    """What ``--keep-jobs`` says: a length of time in seconds, or None for `FOREVER`."""
    if text == FOREVER:
        return None
    kept = duration(text)
    if not kept > 0:
        raise click.BadParameter(f"jobs are kept for a while: write for example 7d, or {FOREVER}")
    return kept
