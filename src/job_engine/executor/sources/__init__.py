"""The sources of jobs: the port between the supervisor and the adapters that decide which executor runs a job."""

from collections.abc import Awaitable
from typing import Final, Protocol

from job_engine.job.attend import Answer, Attend

GOOD_SHARE_OF_PERIOD: Final = 2 / 3
"""Part of the period for which holds are good after the sending: the rest is for stopping the jobs."""


class SourceListener(Protocol):
    """Receives the events of a source, in its event loop; no method blocks."""

    def on_news(self) -> None:
        """The source has something to report itself: attend soon."""

    def on_holds_extended(self) -> None:
        """`Source.good_until` was extended without an exchange."""

    def on_holds_lapsed(self) -> Awaitable[object]:
        """The holds have lapsed: all jobs are interrupted.

        May be called again. The result is done when the jobs have ended and the source knows how.
        """


class Source(Protocol):
    """A source of jobs.

    An adapter makes each exchange safe to repeat: what it was told before, and what is over, changes nothing when told
    again. A grant whose answer got lost is granted again, with the same attempt, as long as the hold is not listed.
    """

    @property
    def id(self) -> str:
        """The id of this executor at the source; new with each process."""

    @property
    def where(self) -> str:
        """The address of the source, for messages."""

    @property
    def keeper(self) -> str:
        """The service whose silence ends the holds, for messages."""

    @property
    def period(self) -> float:
        """Seconds of silence after which the source regards an executor as lost."""

    @property
    def good_until(self) -> float:
        """The monotonic time until which holds are certainly valid, counted from the sending of an answered request."""

    @property
    def urgent(self) -> bool:
        """Whether the source has something to report itself that must not wait."""

    @property
    def heard(self) -> bool:
        """Whether an exchange may have reached the server: before that, no goodbye is needed."""

    def listen(self, listener: SourceListener) -> None:
        """Notify ``listener`` of events; called once, before the first exchange."""

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
        """The server was unreachable for so long that the jobs were given up: let others have them, if possible."""

    async def close(self) -> None:
        """Close the source, once the requests under way are answered."""
