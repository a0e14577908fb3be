"""How supervisor and worker processes log, unless the program that they are part of has said so before."""

import logging
from typing import Final

from job_engine.job.terminal import PrintableFormatter

FORMAT: Final = "%(asctime)s %(levelname)-8s %(message)s"


def configure(level: str) -> int:
    """Log to standard error from ``level`` (a name) up; the number of that level."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(PrintableFormatter(FORMAT))
    logging.basicConfig(level=number, handlers=[to_stderr])
    for handler in logging.getLogger().handlers:
        handler.setLevel(number)  # the root logger's own level may go lower, for the logs of jobs
    return number
