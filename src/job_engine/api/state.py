"""What a running API server consists of."""

import time
from dataclasses import dataclass, field

from job_engine.api.changes import Changes
from job_engine.api.identity import Identities
from job_engine.api.passwords import Verifier
from job_engine.api.settings import ServerSettings
from job_engine.store.counts import Counts
from job_engine.store.database import Store
from job_engine.store.executors import Executors


@dataclass(slots=True)
class ApiState:
    """The parts of one server; made by `job_engine.api.app`, handed to every request."""

    settings: ServerSettings
    store: Store
    executors: Executors
    identities: Identities
    changes: Changes
    counts: Counts = field(default_factory=Counts)
    verifier: Verifier = field(default_factory=Verifier)
    started: float = field(default_factory=time.time)

    def end_waits(self) -> None:
        """Answer everybody who is parked, and end the streams: the server is about to stop."""
        self.executors.stop()
        self.changes.end()
