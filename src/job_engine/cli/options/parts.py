"""The options of executor and distributor that these share, or that `up` passes on to them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from job_engine.cli.options.shared import Decorator, duration, engine_option
from job_engine.job.errors import Invalid

if TYPE_CHECKING:
    from job_engine.api.declared_types import DeclaredType

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
mask_patterns_option: Final = engine_option(
    "--mask-patterns",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Regular expressions, one a line, of what is masked in the logs and messages of jobs.",
)
types_option: Final = engine_option(
    "--types",
    metavar="FILE...",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Files in TOML that declare types of documents, which are served beside the engine's own.",
)
nuvla_types_option: Final = engine_option(
    "--nuvla-types", is_flag=True, help="Serve the types of Nuvla's domain too, such as nuvlabox."
)
audit_log_option: Final = engine_option(
    "--audit-log", metavar="FILE", help="A file that gets the audit's events as JSON lines; - is the log."
)
keep_audit_option: Final = engine_option(
    "--keep-audit", metavar="TIME", type=duration, default="365d", help="How long the audit's events are kept."
)
parent_option: Final[Decorator[Any]] = click.option("--parent-fd", type=int, hidden=True)


def log_level_option(default: str = "INFO") -> Decorator[Any]:
    """``--log-level``."""
    return engine_option("-l", "--log-level", metavar="LEVEL", default=default, help="DEBUG, INFO, WARNING or ERROR.")


def declared(types: tuple[Path, ...], nuvla_types: bool) -> "dict[str, DeclaredType]":
    """The types that the options name; raises Invalid if a file does not declare any."""
    from job_engine.api.declared_types import NUVLA, read

    return read([*types, *((NUVLA,) if nuvla_types else ())])


def patterns_in(path: Path | None) -> tuple[str, ...]:
    """What ``--mask-patterns`` names: the lines of the file that are neither blank nor comments (``#``).

    Raises:
        Invalid: it cannot be read, or a line is no regular expression.
    """
    if path is None:
        return ()
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeError) as error:
        raise Invalid(f"cannot read {path} (--mask-patterns): {getattr(error, 'strerror', None) or error}") from None
    found = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    for number, line in found:
        try:
            matches_nothing = re.compile(line).match("") is not None
        except re.error as error:
            raise Invalid(f"{path}, line {number} is no regular expression: {error}") from None
        if matches_nothing:
            raise Invalid(f"{path}, line {number} matches the empty text, so it would mask everything: {line}")
    return tuple(line for _, line in found)


def keeping(text: str) -> float | None:
    """What ``--keep-jobs`` says: a length of time in seconds, or None for `FOREVER`."""
    if text == FOREVER:
        return None
    kept = duration(text)
    if not kept > 0:
        raise click.BadParameter(f"jobs are kept for a while: write for example 7d, or {FOREVER}")
    return kept
