"""What a JSON text costs to decode and to keep, beside its bytes: 16 MiB of ``[]`` take half a gigabyte of memory, as
one text they take 16 MiB; and integers of thousands of digits take ten times as long as short ones."""

import re
from typing import Final

from job_engine.job.errors import Invalid

NODES_LIMIT: Final = 100_000
"""Values, each inside another counted too, that one document may have."""
MANY_LIMIT: Final = 1_000_000
"""Values that many documents in one message may have together: 10,000 jobs, or what an executor has to tell."""

DIGITS_LIMIT: Final = 400
"""Digits in a row that a number may have in a long text: more than any number has that is no integer."""
LONG: Final = 64 << 10
"""Bytes from which numbers are looked at: in a shorter text the longest ones cost 2 ms together."""

_ZEROS: Final = bytes(ord("0") if ord("0") <= byte <= ord("9") else ord(" ") for byte in range(256))
_RUN: Final = b"0" * (DIGITS_LIMIT + 1)
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STRING: Final = ord('"')
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[,\[{]', re.DOTALL)
_TOKENS_A_NODE: Final = 3
"""Tokens that JSON has for one value at most: its comma, and two strings, of which one is its name."""


def at_most(text: bytes) -> int:
    """How many values there can be at most: each follows a comma or what opens an array or object; in texts they count,
    too."""
    return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")


def limited(text: bytes, what: str, limit: int = NODES_LIMIT) -> bytes:
    """``text``, if it has at most ``limit`` values as JSON; it need not be JSON.

    Raises:
        Invalid: it has more; the message calls it ``what``.
    """
    if at_most(text) <= limit:
        return text
    nodes = 1
    for tokens, token in enumerate(_TOKEN.finditer(text)):
        nodes += text[token.start()] != _STRING
        if nodes > limit or tokens > _TOKENS_A_NODE * limit:
            raise Invalid(f"{what} has more than {limit:,} values; send it in parts, or as a text")
    return text


def with_short_numbers(text: bytes, what: str) -> bytes:
    """``text``, unless it is long and has a number of more than `DIGITS_LIMIT` digits as JSON; it need not be JSON.

    Raises:
        Invalid: it has one; the message calls it ``what``.
    """
    if len(text) >= LONG and _has_run(text) and _has_run(_TEXT.sub(b"", text)):
        raise Invalid(f"{what} has a number of more than {DIGITS_LIMIT} digits; send it as a text")
    return text


def _has_run(text: bytes) -> bool:
    return _RUN in text.translate(_ZEROS)
