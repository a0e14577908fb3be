"""Files with credentials, and the folder of an engine: whether they are their owner's alone."""

import logging
import os
from pathlib import Path
from typing import Final

from job_engine.job.errors import Invalid

log = logging.getLogger(__name__)

LONGEST_SECRET: Final = 64 << 10
"""Bytes of a file with a secret that are read."""


def foreign(path: Path) -> bool:
    """Whether ``path`` belongs to somebody else than us and root. Root may use everybody's."""
    me = os.geteuid()
    return me != 0 and path.stat().st_uid not in (0, me)


def exposure(path: Path) -> str:
    """Who else may read or change ``path``, and what to do about it; empty: nobody, or it is not there."""
    try:
        found, mounted = path.stat(), os.statvfs(path)
        if foreign(path):
            return f"{path} belongs to another user (uid {found.st_uid}): use a file or folder of your own"
    except OSError:
        return ""
    mode = found.st_mode & 0o777
    if not mode & 0o077 or mounted.f_flag & os.ST_RDONLY:  # secrets that are mounted into a container
        return ""
    return f"{path} is open to others (mode {mode:o}): chmod {'700' if path.is_dir() else '600'} {path}"


def warn_if_exposed(path: Path) -> None:
    """Log a warning if others may read or change ``path``."""
    if trouble := exposure(path):
        log.warning("%s", trouble)


def read_secret(path: Path) -> str:
    """What a file with a secret says, without the line end.

    Raises:
        Invalid: it cannot be read, or is empty.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_SECRET).decode()
    except OSError as error:
        raise Invalid(f"the secret in {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Invalid(f"the secret in {path} is not UTF-8") from None
    warn_if_exposed(path)
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise Invalid(f"there is no secret in {path}: the file is empty")
    return secret
