"""Command lines of this program for the user to copy."""

import shlex
import shutil
import sys
from pathlib import Path

import click

from job_engine.loading.interpreter import python_command


def command_line(*arguments: str) -> str:
    """A command line of this program that works in the user's shell, even where it is not on the PATH."""
    own = Path(sys.argv[0])
    if own.name != "job-engine":
        program = shlex.join(python_command("job_engine.cli"))
    else:
        found = shutil.which("job-engine")
        known = found is not None and Path(found).resolve() == own.resolve()
        program = "job-engine" if known else shlex.quote(str(own.resolve()))
    return " ".join([program, *map(shlex.quote, arguments)])


def here(name: str, *arguments: str) -> str:
    """A command line for the engine of the running command: with the data folder, if one was named."""
    data = click.get_current_context().params.get("data")
    return command_line(name, *(() if data is None else ("--data", str(data))), *arguments)
