"""Which entries to try, and in which order: a pure function of one listing.

Everybody who takes lists the same names. If all tried the first, all but one would fail; so each prefers a share of
its own, by sequence number, and of what a busy neighbour leaves, a share again. Two rules keep that from hurting: the
first few of a deep queue are left to strangers for a moment (kazoo's recipe only ever tries the very first), and what
stays at the front for a while is anybody's, so the best never waits for an owner that is busy.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from job_engine.queue.names import parse

LEFT_TO_OTHERS = 4
"""Entries of our share left to strangers: multis that met a conflict fell from 36 to 4 of some 200."""

DEEP_SHARE = 4 * LEFT_TO_OTHERS
"""Leave some only when our share of the head is at least this long."""

HEAD_FACTOR = 8
"""Look this many times further than what all takers together want now. Twice would do for priorities, but every listing
would serve two takes only; what a faster taker overtakes meanwhile is overdue in the next listing."""

LEAST_HEAD = 64
"""Entries; a shorter head would cost a listing for every few takes."""

FRONT_ENTRIES = 16
"""Entries that nobody may neglect. Deeper ones are a backlog: they wait because there are many, not for their owner."""

GRACE_SECONDS = 0.03
"""Seconds that entries of others' shares are left to them when there are none of ours."""

OVERDUE_SECONDS = 0.1
"""Seconds after which what we left to strangers is ours again."""

NEGLECTED_SECONDS = 0.3
"""Seconds after which what is still at the front is for one helper besides its owner, and thrice that for anybody. Were
it for all at once, a fleet that is slow would only get slower by colliding."""


class Share(NamedTuple):
    """Our place among those who take: entries whose number, modulo ``of``, is ``place`` are ours first."""

    place: int
    of: int


class TakePlan(NamedTuple):
    """Each in the order of the queue; together, all entries of the head."""

    neglected: list[str]  # try these, and not together with others: somebody else may try them too
    mine: list[str]  # these belong to us
    spare: list[str]  # when nothing is left, these: our share of the others' shares
    rest: list[str]  # then these


def head(free: Sequence[str], want: int, share: Share) -> Sequence[str]:
    """The part of the queue that matters to those who want ``want`` entries each."""
    return free[: max(LEAST_HEAD, HEAD_FACTOR * want * share.of)]


def front(first: Sequence[str], share: Share) -> Sequence[str]:
    """The entries that nobody may neglect, and those that are left to strangers."""
    return first[: max(FRONT_ENTRIES, LEFT_TO_OTHERS * share.of)]


def plan(first: Sequence[str], share: Share, ages: Mapping[str, float], waits: Mapping[str, float]) -> TakePlan:
    """Divide the head of the queue.

    ``first`` are free entries in the order of the queue, ``ages`` the seconds for which they have been seen free, and
    ``waits`` those for which they have been seen at the front.
    Names that are no entry's are in no part of the plan.
    """
    places = {name: place for name in first if (place := parse(name))}
    own = [name for name, place in places.items() if place.number % share.of == share.place]
    mine = set(own)
    if len(own) >= DEEP_SHARE:  # only among equals: no better entry is left for a worse one
        priority = places[own[LEFT_TO_OTHERS]].priority
        mine -= {
            n for n in own[:LEFT_TO_OTHERS] if waits.get(n, 0) < OVERDUE_SECONDS and places[n].priority == priority
        }
    spare = {name for name, place in places.items() if place.number // share.of % share.of == share.place} - set(own)
    helped = {
        name: NEGLECTED_SECONDS if name in spare else 3 * NEGLECTED_SECONDS for name in list(places)[:FRONT_ENTRIES]
    }
    neglected = {name for name, patience in helped.items() if waits.get(name, 0) >= patience} - set(own)
    spare -= neglected
    rest = places.keys() - neglected - set(own) - spare
    for others, patience in (
        (spare, GRACE_SECONDS),
        (rest, 2 * GRACE_SECONDS),
    ):  # as if nothing had changed since it was first seen
        if not mine:
            mine = {name for name in others if ages.get(name, 0) >= patience}
            others -= mine
    rest |= set(own) - mine
    return TakePlan(*([name for name in places if name in part] for part in (neglected, mine, spare, rest)))
