"""The five states of a job."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What a job is in. Nothing else is stored as a state; the rest is derived."""

    QUEUED = "QUEUED"  # waits to be claimed
    RUNNING = "RUNNING"  # held by an executor, or detached
    SUCCESS = "SUCCESS"  # final
    FAILED = "FAILED"  # final
    CANCELED = "CANCELED"  # final


FINAL: Final = frozenset({State.SUCCESS, State.FAILED, State.CANCELED})


def is_final(state: str) -> bool:
    """Whether a job in ``state`` can never change again."""
    return state in FINAL
