"""The port between an attempt and the executor that holds its job."""

from typing import Any, Protocol

from job_engine.actions.interruption import Interruption


class Hold(Protocol):
    """What the executor does for one attempt.

    The methods are called from the slot's thread and from any thread of the action. `connect` and `save` wait for the
    record; the others note what they are told, and the executor sends it with its next exchange. After the hold has
    ended they do nothing.
    """

    @property
    def interrupted(self) -> Interruption:
        """Set by the executor when the job is to end."""

    @property
    def nuvlaedge_shared_path(self) -> str | None:
        """The folder that a NuvlaEdge shares with its jobs."""

    @property
    def api_grace(self) -> float:
        """Seconds for which a job waits to log in at an API server that cannot be reached."""

    def write(self, changes: dict[str, Any]) -> None:
        """Change attributes of the job. They are checked; of each the newest value is sent."""

    def save(self, checkpoint: bytes) -> bool:
        """Keep a checkpoint (JSON) and wait until it is in the record; False if the hold ended before."""

    def log(self, level: str, text: str) -> None:
        """Add one line to the job's log: the executor numbers it and notes the time."""

    def connect(self) -> Any:
        """A new ``nuvla.api.Api``: logged in, and sending ``Job-Hold`` with each request. Called once, when needed.

        Raises:
            Unreachable: the server cannot be reached.
        """
