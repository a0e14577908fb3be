"""What a relay is told."""

from dataclasses import dataclass
from typing import Final

WINDOW: Final = 5000
"""Entries that wait in ZooKeeper at once: a listing of 120 kB, which fast fleets empty by half in a second."""
GHOST: Final = 60.0
"""Seconds that an entry may be taken before its job is claimed. Ours claim at once, upstream's after 4 s at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """Of one relay."""

    window: int = WINDOW
    ghost: float = GHOST
