"""What a running API server consists of."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from job_engine.api.audit import Audit
from job_engine.api.changes import Changes
from job_engine.api.identity import Caller, Identities
from job_engine.api.passwords import Verifier
from job_engine.api.queue import QueueView
from job_engine.api.settings import ServerSettings
from job_engine.store.counts import Counts
from job_engine.store.database import READERS, Store
from job_engine.store.executors import Executors

if TYPE_CHECKING:
    from job_engine.api.dispatch import Type

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(slots=True)
class ApiState:
    """The parts of one server; made by `job_engine.api.app`, handed to every request."""

    settings: ServerSettings
    types: Mapping[str, "Type"]  # what it serves, by name
    store: Store
    executors: Executors
    identities: Identities
    changes: Changes
    audit: Audit
    queue: QueueView | None = None  # the locking queue in ZooKeeper; None: this server uses none
    counts: Counts = field(default_factory=Counts)
    verifier: Verifier = field(default_factory=Verifier)
    started: float = field(default_factory=time.time)
    _searching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READERS - 1))
    _shares: WeakValueDictionary[str, asyncio.Semaphore] = field(default_factory=WeakValueDictionary)

    async def search(
        self,
        caller: Caller,
        query: Callable[Concatenate[sqlite3.Connection, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """`Store.read` for what may take long. One reader is always left for who just wants to know who calls, and one
        more for the searches of others than this caller."""
        share = self._shares.setdefault(caller.user, asyncio.Semaphore(READERS - 2))
        async with share, self._searching:
            return await self.store.read(query, *arguments, **named)

    def end_waits(self) -> None:
        """Answer everybody who is parked, and end the streams: the server is about to stop."""
        self.executors.stop()
        self.changes.end()
