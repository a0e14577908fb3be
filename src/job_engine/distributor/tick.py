"""What a distribution is told when it is to make its jobs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from job_engine.client import Client


def _client() -> "Client":
    from job_engine.client import Client

    return Client()


@dataclass(frozen=True, slots=True)
class Tick:
    """One due time.

    Attributes:
        distribution: whose it is.
        due: when it is due, in the time zone of the schedule (of an interval: UTC). Who makes up for a missed tick, or
            makes one for a second time after a failover, sees the same time again.
    """

    distribution: str
    due: datetime
    connect: "Callable[[], Client]" = field(default=_client, repr=False, compare=False)

    @property
    def client(self) -> "Client":
        """Talks to the engine that the jobs are for; to look at what is there, and not to add jobs: yield them."""
        return self.connect()
