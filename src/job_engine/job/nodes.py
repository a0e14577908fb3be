"""How many values a JSON text has. They are what it costs to decode and to keep: 16 MiB of ``[]`` take half a gigabyte
of memory, as one text they take 16 MiB."""

import re
from typing import Final

from job_engine.job.errors import Invalid

NODES_LIMIT: Final = 100_000
"""Values, each inside another counted too, that one document may have."""
MANY_LIMIT: Final = 1_000_000
"""Values that many documents in one message may have together: 10,000 jobs, or what an executor has to tell."""

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
