"""Values formatted for pages: durations and times, texts in one line, JSON over several."""

import re
import shlex
import time
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from job_engine.job.errors import UNREADABLE
from job_engine.job.times import epoch

LINE_CHARACTERS: Final = 200
"""Characters of a text that is shown in one line; the style cuts it to what there is room for."""
HEAD_CHARACTERS: Final = 10_000
"""Characters of a text in which its first line is looked for."""
JSON_CHARACTERS: Final = 100_000
"""Characters of JSON that are shown; the document itself is a link away."""
MONTH_SECONDS: Final = 30 * 86400
"""Seconds after which the date says more than how long ago it was."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def lasting(seconds: float) -> str:
    """A length of time in its two largest units, such as ``2 h 05 min``."""
    whole = max(0, int(seconds))
    if whole == 0:
        return "< 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def ago(at: str) -> str:
    """How long ago a point of time is, in one unit, or how far ahead; a date when that says more."""
    passed = time.time() - epoch(at)
    if abs(passed) >= MONTH_SECONDS:
        return at[:10]
    amount = _rough(abs(passed))
    if passed <= -1:
        return f"in {amount}"
    return "now" if passed < 1 else f"{amount} ago"


def _rough(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def since(at: str) -> str:
    """The length of time from ``at`` until now."""
    return lasting(time.time() - epoch(at))


def exact(at: str) -> str:
    """A point of time for those who compare: ``2026-11-24 23:05:01.042 UTC``."""
    return at.replace("T", " ").replace("Z", " UTC")


def one_line(text: Any) -> str:
    """The first line of a text that is not blank."""
    lines = (line.strip() for line in plain(str(text or "")[:HEAD_CHARACTERS]).splitlines())
    return next((line for line in lines if line), "")[:LINE_CHARACTERS]


def plain(text: Any) -> str:
    """A text without escape sequences and control characters."""
    return _CONTROLS.sub("", _ESCAPES.sub("", str(text or "")).replace("\r\n", "\n").replace("\r", "\n"))


def pretty(value: Any) -> str:
    """A value as indented JSON; a text that is JSON itself likewise."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except UNREADABLE:
            return plain(value)[:JSON_CHARACTERS]
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return text if len(text) <= JSON_CHARACTERS else f"{text[:JSON_CHARACTERS]}\n... ({len(text)} characters)"


def bare(id_: str) -> str:
    """An id without its type."""
    return id_.rpartition("/")[2]


def short(id_: str) -> str:
    """The end of an id: ids are ordered by time, so it is the end that tells them apart."""
    return bare(id_)[-8:]


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}".replace(",", "\u202f")


def quoted(text: str) -> str:
    """A text as one word of a shell's command line; a filter in double quotes, so that it stays readable."""
    return shlex.quote(text) if "'" not in text or set(text) & set('"$`\\!') else f'"{text}"'


def query(**parameters: Any) -> str:
    """Parameters of a URL, without those that are empty."""
    return urlencode({name: value for name, value in parameters.items() if value})
