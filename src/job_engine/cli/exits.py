"""The exit code of a command that failed, and the sentence that goes with it."""

from typing import Final

import click

from job_engine.exit_codes import FAILED, INTERNAL, UNREACHABLE, WRONG
from job_engine.job.errors import Forbidden, JobEngineError, Unavailable, Unreachable

NOBODY: Final = "credentials required"
"""What a server answers to a caller without credentials."""
CREDENTIALS: Final = "give --api-user and --api-pass, --api-key and --api-secret, or --profile"


class CommandFailed(JobEngineError):
    """The command did what it should, and the outcome is bad; exit code 1."""


class Unwritable(CommandFailed):
    """The standard output cannot be written."""


def exit_code(error: Exception) -> int:
    """What a command that ended with ``error`` exits with."""
    if isinstance(error, CommandFailed):
        return FAILED
    if isinstance(error, Unreachable | Unavailable):
        return UNREACHABLE
    if isinstance(error, JobEngineError | click.ClickException | UnicodeEncodeError):
        return WRONG
    return INTERNAL


def sentence(error: Exception) -> str:
    """One line that says what is wrong and what to do."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = error.format_message().replace("\n", " ").rstrip(". ")
        return f"{message}; see {error.ctx.command_path} --help"
    if isinstance(error, click.ClickException):
        return error.format_message().replace("\n", " ")
    if isinstance(error, JobEngineError):
        message = " ".join(error.message.split())
        return f"{message}; {CREDENTIALS}" if isinstance(error, Forbidden) and message == NOBODY else message
    if isinstance(error, UnicodeEncodeError):  # all that is encoded comes from the command line
        return f"{str(error.object)[:60]!a} is not valid UTF-8; write it in UTF-8"
    return " ".join(f"{type(error).__name__}: {error}".split())
