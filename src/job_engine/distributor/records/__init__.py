"""The records of ticks, where jobs are added: the record of job-engine, or a Nuvla server with ZooKeeper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from job_engine.distributor.distribution_state import DistributionState

if TYPE_CHECKING:
    from job_engine.queue import Lead


@dataclass(frozen=True, slots=True)
class TickResult:
    """The result of making a tick."""

    jobs: int  # how many were added
    refused: tuple[tuple[int, str], ...] = ()  # the place of each document that was not acceptable, and why
    active: int = 0  # how many were not added because one like it is queued or running
    repeated: bool = False  # somebody, perhaps we, had made it before; nothing was added now


class PausedError(Exception):
    """The distribution was paused meanwhile; the tick is not made."""


class Record(Protocol):
    """The port between a distributor and the place where its jobs are added."""

    where: str

    async def run(self, states: Sequence[DistributionState]) -> None:
        """Exchange reports about distributions, until cancelled."""

    async def begin(self, state: DistributionState, lead: "Lead | None") -> int | None:
        """At the start of a term: the due time of the newest tick that was made, or since when ticks count; None:
        nobody knows. Raises as `tick` does."""

    async def tick(
        self,
        state: DistributionState,
        due: int,
        jobs: list[bytes],
        after: int,
        lead: "Lead | None",
        still: Callable[[], bool],
    ) -> TickResult:
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

    async def finish(self, state: DistributionState, due: int, made: TickResult, lead: "Lead | None") -> None:
        """Note that all of a tick is made; once what came of it was told, since this may take long. Raises nothing of
        ours."""
