"""Files beside the record that only its owner may read."""

import os
from pathlib import Path

from job_engine.job.errors import JobEngineError


def write(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, for nobody but its owner.

    Raises:
        JobEngineError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise JobEngineError(f"cannot write {path}: {error.strerror}; check its folder's owner and room") from None
