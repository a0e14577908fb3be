"""What a running API server consists of."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from job_engine.api.changes import Changes
from job_engine.api.identity import Identities
from job_engine.api.passwords import Verifier
from job_engine.api.queue import QueueView
from job_engine.api.settings import ServerSettings
from job_engine.store.counts import Counts
from job_engine.store.database import READERS, Store
from job_engine.store.executors import Executors

T = TypeVar("T")


@dataclass(slots=True)
class ApiState:
    """The parts of one server; made by `job_engine.api.app`, handed to every request."""

    settings: ServerSettings
    store: Store
    executors: Executors
    identities: Identities
    changes: Changes
    queue: QueueView | None = None  # the locking queue in ZooKeeper; None: this server uses none
    counts: Counts = field(default_factory=Counts)
    verifier: Verifier = field(default_factory=Verifier)
    started: float = field(default_factory=time.time)
    _searching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READERS - 1))

    async def search(self, query: Callable[..., T], *arguments: Any) -> T:
        """`Store.read` for what may take long: one reader is always left for who just wants to know who calls."""
        async with self._searching:
            return await self.store.read(query, *arguments)

    def end_waits(self) -> None:
        """Answer everybody who is parked, and end the streams: the server is about to stop."""
        self.executors.stop()
        self.changes.end()
