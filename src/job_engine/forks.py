"""Processes that people's functions fork inside a process of the engine. They end where the function ends: the engine
around it is the parent's."""

import os
import sys
import traceback
from typing import NoReturn


class _Here:
    generation = 0  # how often this process, or one that it comes from, was forked off


def _forked() -> None:
    _Here.generation += 1


os.register_at_fork(after_in_child=_forked)


def generation() -> int:
    """A number that is another one in each process that is forked from here, and costs less than asking the system."""
    return _Here.generation


def end(raised: BaseException | None) -> NoReturn:
    """End this process as Python ends a program: with 0, with what ``sys.exit`` was given, or with 1 and a traceback.

    Args:
        raised: what the function raised; None: it returned.
    """
    code = 1
    try:
        code = _told(raised)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _told(raised: BaseException | None) -> int:
    if raised is None:
        return 0
    if issubclass(type(raised), SystemExit):
        code = getattr(raised, "code", None)
        if code is None or isinstance(code, int):
            return (code or 0) & 0xFF
        print(code, file=sys.stderr)
        return 1
    traceback.print_exception(raised)
    return 1
