"""How deep JSON documents may nest: far below where a program that walks through one runs out of stack."""

from typing import Any, Final

from job_engine.job.errors import Invalid

DEPTH_LIMIT: Final = 100
"""Levels of objects and arrays in one document."""

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
