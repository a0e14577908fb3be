"""The names of members, and of entries: ``entry-PPP-NNNNNNNNNN``, as kazoo's LockingQueue and Nuvla write them.

Entries sort by priority, then by ZooKeeper's sequence number. Priorities over 999 come from others only: as text they
sort between 100 and 101, here they come last. The number has 32 bits: after 2,147 million entries it is negative.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from job_engine.job.errors import Invalid

PREFIX = "entry"
PARSED_NAMES = 8192
"""Parsed names in the cache: each listing has most of the names of the one before."""
LOWEST, HIGHEST = 0, 999
_REGULAR = len("entry-PPP-NNNNNNNNNN")
_ENTRY = re.compile(r"entry-([0-9]{3,6})-(-?[0-9]{9,10})")


def hexed(session: int) -> str:
    """The number of a session as it is in names; kazoo gives it with a sign."""
    return f"{session & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def member(kind: str, session: int) -> str:
    """The name of a session's member, e.g. ``executor-0123456789abcdef``."""
    return f"{kind}-{hexed(session)}"


class Order(NamedTuple):
    """The place of an entry in the queue; lower goes first."""

    priority: int
    number: int


@lru_cache(PARSED_NAMES)
def parse(name: str) -> Order | None:
    """The place of an entry, or None for a name that is no entry's."""
    match = _ENTRY.fullmatch(name)
    return Order(int(match[1]), int(match[2]) & 0xFFFFFFFF) if match else None


def prefix(priority: int) -> str:
    """The name to create sequentially. Raises Invalid when the priority is not 0..999."""
    if not LOWEST <= priority <= HIGHEST:
        raise Invalid(f"The priority is {priority}; it must be between {LOWEST} and {HIGHEST}.", "priority")
    return f"{PREFIX}-{priority:03d}-"


def ordered(names: Collection[str]) -> list[str]:
    """Names in the order of the queue, without strays that the length alone gives away.

    Text order is right for names of the usual length, and fast. A stray of that very length stays in: whoever picks a
    name parses it.
    """
    regular = sorted([name for name in names if len(name) == _REGULAR])
    if len(regular) == len(names):
        return regular
    others = [name for name in names if len(name) != _REGULAR]
    unusual = {name: place for name in others if (place := parse(name))}
    if not unusual:
        return regular
    known = {name: place for name in regular if (place := parse(name))} | unusual
    return sorted(known, key=known.__getitem__)
