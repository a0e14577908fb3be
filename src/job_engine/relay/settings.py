"""The settings of a relay."""

from dataclasses import dataclass
from typing import Final

WINDOW_ENTRIES: Final = 5000
"""Entries that wait in ZooKeeper at once: a listing of 120 kB, which fast fleets empty by half in a second."""
GHOST_SECONDS: Final = 60.0
"""Seconds that an entry may be taken before its job is claimed. Ours claim at once, upstream's after 4 s at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """The settings of one relay."""

    window: int = WINDOW_ENTRIES
    ghost: float = GHOST_SECONDS
