"""The port between the worker processes and who keeps the holds of their jobs."""

from typing import Protocol

from job_engine.executor.holds import Held
from job_engine.executor.messages import Loaded
from job_engine.job.attend import Finished, Released, Write


class Keeper(Protocol):
    """Who keeps the holds."""

    def loaded(self, loaded: Loaded) -> bool:
        """A worker process has loaded its actions; whether it can be used."""

    def wrote(self, held: Held, write: Write) -> None:
        """A running job changes."""

    def finished(self, held: Held, finished: Finished) -> None:
        """A job is done."""

    def released(self, held: Held, released: Released) -> None:
        """A job ended without being done."""

    def changed(self) -> None:
        """There may be room for more, or less to wait for."""
