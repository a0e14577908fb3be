"""When an entry is claimed, claimed again, and given up."""

import pytest

from job_engine.executor.sources.entry_endings import EntryEnd
from job_engine.executor.sources.pending_claims import (
    DISBELIEF_SECONDS,
    LONGEST_PAUSE_SECONDS,
    REPEATED_CLAIMS,
    UNANSWERED_SECONDS,
    PendingClaims,
)
from job_engine.job.attend import CANNOT, GONE, HELD, MISSING, Claim
from job_engine.queue import Taken


def taken(name: str) -> Taken:
    return Taken(name, f"job/{name}", b"", "executor-1")


@pytest.fixture
def claims() -> PendingClaims:
    claims = PendingClaims()
    claims.add([taken("a"), taken("b"), taken("c")])
    return claims


def names(takes: list[Taken]) -> list[str]:
    return [taken.name for taken in takes]


def asked(claims: PendingClaims, now: float = 0.0) -> list[str]:
    return [claim.entry for claim in claims.ask(now)]


def test_what_was_taken_is_claimed_at_once_by_its_job(claims: PendingClaims) -> None:
    assert claims.next_due() == 0.0
    assert claims.ask(0.0)[0] == Claim("a", "job/a")
    granted = claims.granted("b")
    assert granted is not None
    assert granted.name == "b"
    assert claims.granted("b") is None
    assert claims.granted(None) is None
    assert (len(claims), claims.room) == (2, 2)


@pytest.mark.parametrize(("verdict", "way"), [(GONE, EntryEnd.CONSUME), (CANNOT, EntryEnd.AVOID)])
def test_a_clear_verdict_ends_it(claims: PendingClaims, verdict: str, way: EntryEnd) -> None:
    asked(claims)
    end = claims.refused("a", verdict, 0.0)
    assert end is not None
    assert (end[0], end[1].name) == (way, "a")
    assert claims.refused("a", verdict, 0.0) is None
    assert asked(claims) == ["b", "c"]


@pytest.mark.parametrize(("verdict", "way"), [(HELD, EntryEnd.RELEASE), (MISSING, EntryEnd.LATER)])
def test_a_doubtful_verdict_is_asked_for_again_for_a_while(claims: PendingClaims, verdict: str, way: EntryEnd) -> None:
    now, tries, patience = 100.0, 0, DISBELIEF_SECONDS[verdict]
    while True:
        assert "a" in asked(claims, now)
        tries += 1
        end = claims.refused("a", verdict, now)
        if end is not None:
            break
        assert "a" not in asked(claims, now)
        due = claims._claimed["a"].due
        assert now < due <= now + LONGEST_PAUSE_SECONDS
        now = due
    assert (end[0], end[1].name) == (way, "a")
    assert patience < now - 100 <= patience + LONGEST_PAUSE_SECONDS
    assert tries < 16


def test_a_doubt_of_another_kind_has_its_own_time(claims: PendingClaims) -> None:
    asked(claims)
    assert claims.refused("a", HELD, 0.0) is None
    assert claims.refused("a", MISSING, DISBELIEF_SECONDS[HELD] + 1) is None
    assert claims.refused("a", MISSING, DISBELIEF_SECONDS[HELD] + 2) is None


def test_a_claim_of_which_nothing_was_said_is_repeated_but_not_for_ever(claims: PendingClaims) -> None:
    first = claims.ask(0.0)
    claims.granted("a")
    assert claims.answered(first, 0.0) == []
    assert asked(claims, 0.0) == []
    again = claims.ask(0.5)
    assert [claim.entry for claim in again] == ["b", "c"]
    ends = claims.answered(again, DISBELIEF_SECONDS[HELD] + 1)
    assert [(way, taken.name) for way, taken in ends] == [(EntryEnd.RELEASE, "b"), (EntryEnd.RELEASE, "c")]


def test_those_that_are_repeated_keep_no_room_from_others(claims: PendingClaims) -> None:
    claims.ask(0.0)
    claims.refused("a", HELD, 0.0)
    assert claims.room == 2
    claims.add([taken(str(number)) for number in range(REPEATED_CLAIMS + 5)])
    claims.ask(0.0)
    for number in range(REPEATED_CLAIMS + 5):
        claims.refused(str(number), MISSING, 0.0)
    assert claims.room == 2 + 6


def test_what_there_is_no_room_for_is_not_claimed(claims: PendingClaims) -> None:
    assert names(claims.beyond(2)) == ["c"]
    assert claims.beyond(2) == []
    asked(claims)  # under way: it may be granted by now
    claims.add([taken("d")])
    assert names(claims.beyond(0)) == ["d"]
    assert len(claims) == 2


def test_when_nothing_was_done_all_is_given_back(claims: PendingClaims) -> None:
    asked(claims)
    assert names(claims.unanswered(0.0, done=False)) == ["a", "b", "c"]
    assert len(claims) == 0


def test_what_may_have_been_granted_is_asked_for_again_for_a_while(claims: PendingClaims) -> None:
    asked(claims)
    claims.add([taken("d")])
    assert names(claims.unanswered(10.0, done=True)) == ["d"]
    assert asked(claims, 10.0) == ["a", "b", "c"]
    claims.refused("b", HELD, 10.1)  # of that there is no doubt any more: others may try
    assert names(claims.unanswered(10.0 + UNANSWERED_SECONDS, done=True)) == ["b"]
    assert asked(claims, 11.0) == ["a", "c"]
    assert names(claims.unanswered(10.1 + UNANSWERED_SECONDS, done=True)) == ["a", "c"]
