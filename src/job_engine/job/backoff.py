"""Exponential backoff: the pause before something that has failed is done again, the same arithmetic everywhere."""

from collections.abc import Iterator
from itertools import count
from typing import Final

DOUBLINGS: Final = 64
"""More of them change nothing, and would overflow at some time."""


def backoff(failures: int, first: float, longest: float) -> float:
    """The pause before the next try, in the unit of ``first`` and ``longest``.

    Args:
        failures: how many tries have failed before the one that failed now, 0 or more.
        first: the pause after the first failure; it doubles with each one.
        longest: no pause is longer.
    """
    return min(longest, first * 2.0 ** min(failures, DOUBLINGS))


def pauses(first: float, longest: float) -> Iterator[float]:
    """The pauses of a loop, one after each failure; without end. See `backoff`."""
    return (backoff(failures, first, longest) for failures in count())
