"""Where the parts of an engine log: lines on the standard error."""

import logging

import click


def level_number(level: str) -> int:
    """The level that is called so.

    Raises:
        click.UsageError: there is none.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise click.UsageError(f"there is no log level {level!r}: use DEBUG, INFO, WARNING or ERROR")
    return number


def log_to_stderr(level: str) -> None:
    """Logs from ``level`` on.

    Raises:
        click.UsageError: there is no such level.
    """
    number = level_number(level)
    logging.basicConfig(level=number, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if number > logging.DEBUG:
        logging.getLogger("uvicorn").setLevel(max(number, logging.WARNING))  # its steps are of no interest
