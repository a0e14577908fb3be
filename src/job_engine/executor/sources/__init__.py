"""Where jobs come from: the port between the supervisor and what decides who runs what."""

from collections.abc import Awaitable
from typing import Final, Protocol

from job_engine.job.attend import Answer, Attend

GOOD: Final = 2 / 3
"""Part of the period for which holds are good after the sending: the rest is for stopping the jobs."""


class Hearer(Protocol):
    """Who attends. A source calls it from the loop; nothing in it blocks."""

    def look(self) -> None:
        """The source has something to tell of its own: attend soon."""

    def moved(self) -> None:
        """`Source.good_until` has moved on without an exchange."""

    def lapsed(self) -> Awaitable[object]:
        """The holds can no longer be trusted: all jobs are interrupted.

        May be called again. What it returns is done when they have ended, and the source has heard how.
        """


class Source(Protocol):
    """A source of jobs.

    An adapter makes each exchange safe to repeat: what it was told before, and what is over, changes nothing when told
    again. A grant whose answer got lost is granted again, with the same attempt, as long as the hold is not listed.
    """

    @property
    def id(self) -> str:
        """What names this executor at the source; new with each process."""

    @property
    def where(self) -> str:
        """What is attended, for messages."""

    @property
    def keeper(self) -> str:
        """Whose silence ends the holds, for messages."""

    @property
    def period(self) -> float:
        """Seconds after which the source gives an executor up that it does not hear of."""

    @property
    def good_until(self) -> float:
        """Until when the holds are certainly good: monotonic seconds, counted from sending what was answered."""

    @property
    def urgent(self) -> bool:
        """Whether it has something to tell of its own that must not wait."""

    @property
    def heard(self) -> bool:
        """Whether an exchange may have been heard: before that, nobody has to be told that we leave."""

    def listen(self, hearer: Hearer) -> None:
        """Tell ``hearer`` what happens; once, before the first exchange."""

    async def attend(self, attend: Attend) -> Answer:
        """One exchange. A newer one ends an older one that is parked.

        Args:
            attend: what to tell and ask; its ``n`` is set here. ``wait`` seconds it may be parked.

        Raises:
            Unavailable: it was heard, so `good_until` moves on; but nothing of it was done: tell it again.
            Conflict: it came too late: tell it again.
            Forbidden: the executor may not attend.
            Unreachable: no answer in time; it may have been done or not: tell it again.
            JobEngineError: the source does not take it as it is.
        """

    def let_go(self) -> None:
        """What is attended was away for so long that the jobs were given up: let others have them, if that can be."""

    async def close(self) -> None:
        """Let go of it, once what is still on its way has arrived."""
