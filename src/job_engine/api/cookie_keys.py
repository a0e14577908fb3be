"""The keys that sign cookies and sign-in links; in a file beside the record, so a copy of the record lets nobody in."""

import secrets
from pathlib import Path
from typing import Final

from job_engine.api import private_file
from job_engine.job.errors import JobEngineError

SUFFIX: Final = ".key"
"""Of the file, instead of the record's: ``record.key`` beside ``record.db``."""
SHORTEST: Final = 32
"""Characters of a key: less can be guessed."""


def read(record: Path) -> list[str]:
    """The keys of a record, oldest first: all are accepted, the last one signs. If there is none, one is made.

    Raises:
        JobEngineError: the file cannot be read or written, or has a line that is no key.
    """
    path = record.with_suffix(SUFFIX)
    try:
        keys = path.read_text().split()
    except FileNotFoundError:
        keys = []
    except (OSError, UnicodeDecodeError) as error:
        raise JobEngineError(f"cannot read {path}: {error}; remove it, and everybody logs in again") from None
    if any(len(key) < SHORTEST for key in keys):
        raise JobEngineError(f"{path} has a line of less than {SHORTEST} characters; remove that line, or the file")
    if not keys:
        keys = [secrets.token_urlsafe(32)]
        private_file.write(path, f"{keys[0]}\n")
    return keys
