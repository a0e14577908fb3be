"""How things are printed: tables and colours for people, plain columns in a pipe, JSON for programs.

Only this module prints, and it escapes whatever a terminal would obey: names, messages, logs and errors are texts of
other people.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import click
import msgspec

from job_engine.job.terminal import printable, printable_json
from job_engine.job.times import epoch

COLOURS: Final = {"QUEUED": "blue", "RUNNING": "yellow", "SUCCESS": "green", "FAILED": "red", "CANCELED": "magenta"}

SHORT: Final = 12
"""Characters of a short id: the last part of a whole one, as the page shows it."""


class Styled(NamedTuple):
    """A text in a colour, bold or dim, on a terminal that has such."""

    text: str
    color: str | None = None
    bold: bool = False
    dim: bool = False


def say(*parts: str | Styled, err: bool = False, color: bool | None = None) -> None:
    """Print a line of these parts, without a blank between them, on the standard output or error.

    Args:
        color: whether to style; None: on a terminal.
    """
    line = "".join(_style(part) if isinstance(part, Styled) else printable(part) for part in parts)
    click.echo(line, err=err, color=color)


def say_progress(line: str) -> None:
    """Print a line on the standard error that the next one replaces; on a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{printable(line)}", nl=False, err=True)


def print_json(value: Any) -> None:
    """JSON on the standard output, indented on a terminal."""
    encoded = msgspec.json.encode(value)
    click.echo(printable_json((msgspec.json.format(encoded) if sys.stdout.isatty() else encoded).decode()))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table. On a terminal the last column is cut to fit; elsewhere nothing is."""
    if sys.stdout.isatty():
        _pretty(columns, rows)
        return
    flat = [[_flat(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[n]) for row in flat) for n in range(len(columns))]
    for row in flat:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say_empty(sentence: str) -> None:
    """Say that a list has nothing in it: where it would be on a terminal, beside it elsewhere."""
    say(sentence, err=not sys.stdout.isatty())


def short_id(job: str) -> str:
    """The end of a job's id, which all commands take for it; whole where programs may read it."""
    return job[-SHORT:] if sys.stdout.isatty() else job


def cut(text: str, width: int) -> str:
    """A text that fits into a column of a terminal."""
    return f"{text[: width - 1]}…" if sys.stdout.isatty() and len(text) > width else text


def print_fields(fields: Sequence[tuple[str, str | Styled]]) -> None:
    """Names and values, one a line; further lines of a value are indented."""
    width = max((len(name) for name, _ in fields), default=0) + 2
    for name, value in fields:
        text = value if isinstance(value, Styled) else value.replace("\n", "\n" + " " * width)
        say(Styled(name.ljust(width), dim=True), text)


def coloured(state: str) -> Styled:
    """A state in its colour."""
    return Styled(state, COLOURS.get(state))


def age(at: str | None, now: float | None = None) -> str:
    """How long ago ``at`` (ISO 8601) was, such as ``3 min``."""
    if not at:
        return ""
    passed = (datetime.now(UTC).timestamp() if now is None else now) - epoch(at)
    if passed < 0:
        return f"in {length(-passed)}"
    return length(passed)


def length(seconds: float) -> str:
    """A length of time in one unit, such as ``12 s`` or ``3 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def first_line(text: Any) -> str:
    """The first line of a text that is not blank."""
    return next((line.strip() for line in str(text or "").splitlines() if line.strip()), "")


def _style(part: Styled) -> str:
    return click.style(printable(part.text), fg=part.color, bold=part.bold or None, dim=part.dim or None)


def _flat(cell: str) -> str:
    """A text as one line."""
    return printable(" ".join(cell.split()))


def _pretty(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for n, column in enumerate(columns):
        last = n == len(columns) - 1
        width = None if last else max(len(column), *(len(_flat(row[n])) for row in rows), 0)
        table.add_column(column.upper(), overflow="ellipsis", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*(Text(_flat(cell), style=COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)
