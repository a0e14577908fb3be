"""The run folder of an executor: a lock that is free only when supervisor and workers are dead, and the last one's id.

Who gets the lock knows that the executor before it is dead, and can say so: its jobs run again at once.
"""

import fcntl
import logging
import os
import time
from pathlib import Path
from typing import Final

from job_engine.job.errors import Invalid

log = logging.getLogger(__name__)

WAIT: Final = 15.0
"""Seconds to wait for the lock: the worker processes of a supervisor that was killed take a moment to end."""
SAY: Final = 0.5
"""Seconds after which the log says whose end is waited for; a predecessor that was killed is gone by then."""
LOOK: Final = 0.02
"""Seconds between two tries for it."""


class RunFolder:
    """Holds the lock until it is closed; worker processes inherit it.

    Args:
        id_: ours.

    Raises:
        Invalid: the folder cannot be used, or another executor uses it for longer than `WAIT`.
    """

    def __init__(self, path: Path, id_: str) -> None:
        self._path = path
        self._id = id_
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Invalid(f"cannot write in the executor's run folder {path}: {error.strerror}") from None
        try:
            self._get()
            self.predecessor = self._read()
        except BaseException:
            os.close(self.lock)
            raise

    @property
    def note(self) -> Path:
        """The file where the ZooKeeper session is noted, for a successor to end it."""
        return self._path / "zookeeper-session"

    def take_over(self) -> None:
        """The source knows of our predecessor's end, and may grant us jobs: from here on, our id is the last one."""
        new = self._path / "id.new"
        try:
            new.write_text(self._id)
            os.replace(new, self._path / "id")
        except OSError as error:  # that costs a successor the holds' time, no more
            log.warning("cannot write in the executor's run folder %s: %s", self._path, error.strerror)

    def close(self) -> None:
        """Let go of the lock; workers may still hold it."""
        os.close(self.lock)

    def _get(self) -> None:
        began, said = time.monotonic(), False
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                trouble = f"another executor uses the run folder {self._path}: stop it, or give another --run-dir"
                waited = time.monotonic() - began
                if waited > WAIT:
                    raise Invalid(trouble) from None
                if waited > SAY and not said:
                    said = True
                    log.warning("%s; waiting for its end", trouble)
            time.sleep(LOOK)

    def _read(self) -> str | None:
        """The predecessor's id."""
        path = self._path / "id"
        try:
            return (path.read_text().strip() if path.exists() else "") or None
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"cannot use the executor's run folder {self._path}: {error}") from None
