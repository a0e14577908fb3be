"""How deep JSON documents may nest: far below where a program that walks through one runs out of stack."""

from typing import Any, Final

import msgspec

from job_engine.job.errors import Invalid
from job_engine.job.nodes import limited, with_short_numbers

DEPTH_LIMIT: Final = 100
"""Levels of objects and arrays in one document."""

_decode: Final = msgspec.json.Decoder().decode
_NESTING: Final = frozenset({dict, list})


def shallow(value: Any, what: str) -> Any:
    """``value``, if it has at most `DEPTH_LIMIT` levels. It is looked at level by level, which takes no stack.

    Raises:
        Invalid: it has more; the message calls it ``what``.
    """
    level = [value] if type(value) in _NESTING else []
    for _ in range(DEPTH_LIMIT):
        level = [
            part for node in level for part in (node.values() if type(node) is dict else node) if type(part) in _NESTING
        ]
        if not level:
            return value
    raise Invalid(f"{what} is nested too deeply: it has more than {DEPTH_LIMIT} levels of objects and arrays")


def bounded(text: bytes, what: str) -> bytes:
    """``text``, which is JSON, if it has no more values, levels and digits than a document may have. A short one costs
    next to nothing.

    Raises:
        Invalid: it has more; the message calls it ``what``.
    """
    if len(text) <= DEPTH_LIMIT:
        return text
    limited(with_short_numbers(text, what), what)
    if text.count(b"[") + text.count(b"{") > DEPTH_LIMIT:
        try:
            shallow(_decode(text), what)
        except RecursionError:
            raise Invalid(f"{what} is nested too deeply: it has more than {DEPTH_LIMIT} levels") from None
    return text
