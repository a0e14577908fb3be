"""A hold without an executor: it notes what an action does to its job."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from job_engine.actions.interruption import Interruption
from job_engine.job.errors import JobEngineError


class NotingHold:
    """Implements `job_engine.actions.hold.Hold`.

    Args:
        connect: makes what ``job.api`` is.
        interrupt_at: the progress at which the job is interrupted; None: never.
        reason: of that interruption.
    """

    def __init__(
        self,
        connect: Callable[[], Any] | None = None,
        *,
        interrupt_at: int | None = None,
        reason: str = "stopped",
        nuvlaedge_shared_path: str | None = None,
    ) -> None:
        self.interrupted = Interruption()
        self.nuvlaedge_shared_path = nuvlaedge_shared_path
        self.api_grace = 0.0
        self.changes: list[dict[str, Any]] = []
        self.checkpoints: list[Any] = []
        self.lines: list[tuple[str, str]] = []
        self._connect = connect
        self._interrupt_at = interrupt_at
        self._reason = reason
        self._lock = threading.Lock()

    def write(self, changes: dict[str, Any]) -> None:
        """Note the changes, in order."""
        with self._lock:
            self.changes.append(changes)
        if self._interrupt_at is not None and changes.get("progress", -1) >= self._interrupt_at:
            self.interrupted.set(self._reason)

    def save(self, checkpoint: bytes) -> bool:
        """Note the checkpoint, as the next attempt would read it."""
        with self._lock:
            self.checkpoints.append(msgspec.json.decode(checkpoint))
        return True

    def log(self, level: str, text: str) -> None:
        """Note the line."""
        with self._lock:
            self.lines.append((level, text))

    def connect(self) -> Any:
        """What the test gave as ``api``."""
        if self._connect is None:
            raise JobEngineError("this test gives the action no api: pass one, run_action(..., api=...)")
        return self._connect()
