"""The command line; the only place that reads the environment and puts the parts together."""

import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import click

from job_engine.cli.exits import Unwritable, exit_code, sentence
from job_engine.cli.group import Session, group
from job_engine.cli.screen import Styled, say
from job_engine.exit_codes import DONE, INTERNAL, INTERRUPTED, WRONG

STANDARD_ERROR: Final = 2
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Of a write; an error that a file is opened with names it."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits with its code."""
    _open_standard_streams()
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str], defaults: Mapping[str, Any] | None = None) -> int:
    """Runs a command; its exit code. An error is one line on the standard error, and with ``-d`` a traceback before.

    Args:
        defaults: by command, values of options that neither a flag nor the environment gives.
    """
    session = Session()
    color = False if os.environ.get("NO_COLOR") else None  # None: on a terminal
    try:
        result = group.main(
            arguments, prog_name="job-engine", standalone_mode=False, obj=session, color=color, default_map=defaults
        )
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        _discard_output()
        return DONE
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), color=color)
        return WRONG
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 (boundary: whatever happened is told to the user, in one line)
        if isinstance(error, OSError) and error.filename is None and error.errno in NO_ROOM:
            _discard_output()
            error = Unwritable(f"the output cannot be written: {error.strerror}")
        if session.debug:
            import traceback

            say(traceback.format_exc().rstrip(), err=True)
        code = exit_code(error)
        hint = " (a fault of job-engine; -d shows where)" if code == INTERNAL else ""
        say(Styled("job-engine", "red"), f": {sentence(error)}{hint}", err=True, color=color)
        return code
    return result if isinstance(result, int) else DONE


def _open_standard_streams() -> None:
    """Have all three, though who started us has closed some: what is opened next would get their numbers, and what is
    said would be written into it. A character that a terminal does not know is escaped."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        os.set_inheritable(fd, True)
    os.close(fd)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", errors="backslashreplace", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Else the interpreter tries to write the rest at its end, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
