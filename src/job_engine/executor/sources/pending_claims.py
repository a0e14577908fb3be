"""Claims of taken entries that are not granted yet: when to repeat a claim, and when to give its entry back."""

from collections.abc import Iterable
from typing import Final

from job_engine.executor.sources.entry_endings import EntryEnd
from job_engine.job.attend import CANNOT, GONE, HELD, MISSING, Claim
from job_engine.job.backoff import backoff
from job_engine.queue import Taken

FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 0.5
"""Seconds until a claim that could not be decided is repeated; they double."""
DISBELIEF_SECONDS: Final = {HELD: 1.0, MISSING: 4.0}
"""Seconds for which a claim with that verdict is repeated: the holder may be about to lose the job; an entry may be
written before its job is. An entry without a job may be foreign: the relay knows, and removes those of its record."""
UNANSWERED_SECONDS: Final = 1.0
"""Seconds for which an entry is kept whose claim was not answered: it may well be granted."""
REPEATED_CLAIMS: Final = 64
"""Claims that may wait to be repeated beside those that there is room for: else they would keep others out."""

EntryEnding = tuple[EntryEnd, Taken]
"""The way to end an entry (see `entry_endings`), and the entry."""


class _PendingClaim:
    __slots__ = ("asked", "due", "repeats", "since", "taken", "verdict")

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.asked = False  # in an exchange that was not answered yet, or could not be
        self.due = 0.0  # monotonic seconds
        self.repeats = 0
        self.verdict = ""  # the last one
        self.since = 0.0  # since when it is that


class PendingClaims:
    """The pending claims of an executor, by entry."""

    def __init__(self) -> None:
        self._claimed: dict[str, _PendingClaim] = {}

    def __len__(self) -> int:
        return len(self._claimed)

    @property
    def room(self) -> int:
        """The number of slots that the pending claims may need."""
        repeated = sum(1 for claimed in self._claimed.values() if claimed.verdict in DISBELIEF_SECONDS)
        return len(self._claimed) - min(repeated, REPEATED_CLAIMS)

    def add(self, takes: Iterable[Taken]) -> None:
        """Claim the jobs of these entries."""
        for taken in takes:
            self._claimed[taken.name] = _PendingClaim(taken)

    def clear(self) -> None:
        """Forget all claims: their session has lapsed."""
        self._claimed.clear()

    def beyond(self, room: int) -> list[Taken]:
        """The last of those that were never asked for, which there is no room for; they are not claimed any more."""
        excess = self.room - room
        unasked = [claimed.taken for claimed in self._claimed.values() if not claimed.asked and not claimed.verdict]
        return [self._drop(taken) for taken in unasked[max(0, len(unasked) - excess) :]] if excess > 0 else []

    def next_due(self) -> float | None:
        """The monotonic time at which the next claim is due; None: there is none."""
        return min((claimed.due for claimed in self._claimed.values()), default=None)

    def ask(self, now: float) -> list[Claim]:
        """The claims that are due. `refused`, `granted` or `unanswered` must follow."""
        asked = [claimed for claimed in self._claimed.values() if claimed.due <= now]
        for claimed in asked:
            claimed.asked = True
        return [Claim(claimed.taken.name, claimed.taken.job) for claimed in asked]

    def granted(self, entry: str | None) -> Taken | None:
        """It was granted; None if we have not claimed it, or not any more."""
        claimed = self._claimed.pop(entry, None) if entry is not None else None
        return None if claimed is None else claimed.taken

    def refused(self, entry: str, verdict: str, now: float) -> EntryEnding | None:
        """How to end it; None: it is to be asked for again."""
        claimed = self._claimed.get(entry)
        if claimed is None:
            return None
        claimed.asked = False
        if verdict == GONE:
            return EntryEnd.CONSUME, self._drop(claimed.taken)
        if verdict == CANNOT:
            return EntryEnd.AVOID, self._drop(claimed.taken)
        return self._again(claimed, verdict, now)

    def answered(self, claims: Iterable[Claim], now: float) -> list[EntryEnding]:
        """An exchange was answered that asked for these. Those of which it said nothing are asked for again."""
        left = [self._claimed[claim.entry] for claim in claims if claim.entry in self._claimed]
        ends = []
        for claimed in left:
            if claimed.asked:
                claimed.asked = False
                ends.append(self._again(claimed, HELD, now))
        return [end for end in ends if end is not None]

    def unanswered(self, now: float, *, done: bool) -> list[Taken]:
        """An exchange failed: what is to be given back.

        Args:
            done: whether what was asked for in it may have been granted; that is kept for a while.
        """
        back = []
        for claimed in list(self._claimed.values()):
            if done and claimed.asked:
                if claimed.verdict:
                    claimed.verdict, claimed.since = "", now
                claimed.since = claimed.since or now
                if now - claimed.since <= UNANSWERED_SECONDS:
                    continue
            back.append(self._drop(claimed.taken))
        return back

    def _again(self, claimed: _PendingClaim, verdict: str, now: float) -> EntryEnding | None:
        if claimed.verdict != verdict:
            claimed.verdict, claimed.since = verdict, now
        if now - claimed.since > DISBELIEF_SECONDS.get(verdict, 0.0):
            return EntryEnd.LATER if verdict == MISSING else EntryEnd.RELEASE, self._drop(claimed.taken)
        claimed.due = now + backoff(claimed.repeats, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        claimed.repeats += 1
        return None

    def _drop(self, taken: Taken) -> Taken:
        return self._claimed.pop(taken.name).taken
