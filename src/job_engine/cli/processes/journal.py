"""Where the parts of an engine log: lines on the standard error."""

import logging
import os

import click

from job_engine.cli.group import Session
from job_engine.job.terminal import PrintableFormatter


def level_number(level: str) -> int:
    """The level that is called so.

    Raises:
        click.UsageError: there is none.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise click.UsageError(f"there is no log level {level!r}: use DEBUG, INFO, WARNING or ERROR")
    return number


def meant_level(flag: str) -> str:
    """The level at which a program logs that Nuvla starts too: its JOB_LOG_LEVEL beats ``-d``, and that the flag."""
    session = click.get_current_context().find_object(Session)
    return (os.environ.get("JOB_LOG_LEVEL") or ("DEBUG" if session is not None and session.debug else flag)).upper()


def log_to_stderr(level: str) -> None:
    """Logs from ``level`` on.

    Raises:
        click.UsageError: there is no such level.
    """
    number = level_number(level)
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=number, handlers=[to_stderr])
    if number > logging.DEBUG:
        logging.getLogger("uvicorn").setLevel(max(number, logging.WARNING))  # its steps are of no interest
        # one line for each attempt to connect, some three a second; who uses ZooKeeper says once that it is away
        logging.getLogger("job_engine.queue.kazoo").setLevel(max(number, logging.ERROR))
