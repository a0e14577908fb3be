"""Where jobs come from: the port between the supervisor and what decides who runs what."""

from typing import Final, Protocol

from job_engine.job.attend import Answer, Attend

GOOD: Final = 2 / 3
"""Part of the period for which holds are good after the sending: the rest is for stopping the jobs."""


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
        """What the source is, for messages."""

    @property
    def period(self) -> float:
        """Seconds after which the source gives an executor up that it does not hear of."""

    @property
    def good_until(self) -> float:
        """Until when the holds are certainly good: monotonic seconds, counted from sending what was answered."""

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

    async def close(self) -> None:
        """Let go of it."""
