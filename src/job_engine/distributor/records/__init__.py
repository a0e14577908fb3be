"""Where jobs are added, and who remembers which ticks were made: our record, or a Nuvla server with ZooKeeper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from job_engine.distributor.standing import Standing

if TYPE_CHECKING:
    from job_engine.queue import Lead


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a tick."""

    jobs: int  # how many were added
    refused: tuple[tuple[int, str], ...] = ()  # the place of each document that was not acceptable, and why
    active: int = 0  # how many were not added because one like it is queued or running
    repeated: bool = False  # somebody, perhaps we, had made it before; nothing was added now


class PausedError(Exception):
    """The distribution was paused meanwhile; the tick is not made."""


class Record(Protocol):
    """What a distributor needs of the place where its jobs go."""

    where: str

    async def run(self, standings: Sequence[Standing]) -> None:
        """Tell and be told, until cancelled."""

    async def begin(self, standing: Standing, lead: "Lead | None") -> int | None:
        """At the start of a term: the due time of the newest tick that was made, or since when ticks count; None:
        nobody knows. Raises as `tick` does."""

    async def tick(
        self,
        standing: Standing,
        due: int,
        jobs: list[bytes],
        after: int,
        lead: "Lead | None",
        still: Callable[[], bool],
    ) -> Made:
        """Make a tick. May be called again with the same ``due``, by anybody: it is made once.

        Args:
            due: its time, milliseconds since the epoch.
            jobs: documents as JSON.
            after: when the next one is due.
            still: whether it may still be made; asked before each call.

        Raises:
            PausedError: it may not be made now.
            Unreachable, Unavailable: it may have been made, or not; call again.
            JobEngineError: the server does not take it.
        """

    async def finish(self, standing: Standing, due: int, made: Made, lead: "Lead | None") -> None:
        """Note that all of a tick is made; once what came of it was told, since this may take long. Raises nothing of
        ours."""
