"""Hash every file of a directory tree into a manifest that ``sha256sum -c`` accepts.

    job-engine up --actions examples/checksum_tree.py
    job-engine submit checksum-tree root=/usr/lib manifest=/tmp/lib.sha256 --wait
    sha256sum --quiet -c /tmp/lib.sha256

It shows what a long action wants to do well: it reports progress, it saves a checkpoint, it goes on from there when it
is interrupted or killed, it stops soon when it is canceled, and it says what it could not read instead of failing.
"""

import bisect
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from job_engine import Interrupted, Job, action

CHECKPOINT_FILES = 200
"""Files after which the manifest is put on disk and the checkpoint moves: at most so many are hashed twice."""
CHUNK = 1 << 20
"""Bytes read at a time; between two reads the action looks whether it shall stop."""
LISTED = 100
"""Unreadable files that the result lists by name; the log has them all."""


def without_partial(job: Job) -> None:
    """Remove the unfinished manifest of a job that was canceled; one that will go on keeps it."""
    if job.interrupted.reason == "canceled":
        partial(Path(job.payload["manifest"])).unlink(missing_ok=True)


@action(cleanup=without_partial)
def checksum_tree(job: Job, root: str, manifest: str) -> dict[str, object]:
    """Write the SHA-256 of every regular file below ``root`` to the file ``manifest``.

    Returns:
        How many files and bytes the manifest covers, how many of them this attempt hashed, and what was unreadable.

    Raises:
        NotADirectoryError: ``root`` is no directory.
    """
    top = Path(root).resolve(strict=True)
    if not top.is_dir():
        raise NotADirectoryError(f"{root} is not a directory")
    target = Path(manifest).absolute()
    paths = regular_files(os.fsencode(top), leaving_out={os.fsencode(target), os.fsencode(partial(target))})
    done = Progress.restored(job, partial(target))
    hashed = 0
    with done.manifest:
        for path in paths[bisect.bisect_right(paths, done.last) :] if done.last else paths:
            try:
                size, digest = sha256(path, job)
            except OSError as error:
                done.unreadable += 1
                job.logger.warning("cannot read %s: %s", os.fsdecode(path), error.strerror)
                if len(done.names) < LISTED:
                    done.names.append(os.fsdecode(path).encode(errors="replace").decode())
            else:
                done.manifest.write(manifest_line(digest, path))
                done.files, done.bytes, hashed = done.files + 1, done.bytes + size, hashed + 1
            done.last = path
            if (done.files + done.unreadable) % CHECKPOINT_FILES == 0:
                done.save(job, len(paths))
        done.sync()
    os.replace(partial(target), target)
    return {
        "manifest": str(target),
        "files": done.files,
        "bytes": done.bytes,
        "hashed by this attempt": hashed,
        "unreadable": done.unreadable,
        "unreadable files": done.names,
    }


class Progress:
    """How far a manifest is; the checkpoint says what of the partial file counts."""

    def __init__(self, manifest: BinaryIO) -> None:
        self.manifest = manifest
        self.last = b""
        self.files = self.bytes = self.unreadable = 0
        self.names: list[str] = []

    @classmethod
    def restored(cls, job: Job, path: Path) -> "Progress":
        """Go on from the checkpoint of an earlier attempt; without one, or without its file, begin anew."""
        saved = job.checkpoint
        if saved is None or not path.exists() or path.stat().st_size < saved["length"]:
            return cls(path.open("wb"))
        progress = cls(path.open("r+b"))
        progress.manifest.truncate(saved["length"])  # what was written after the checkpoint is hashed again
        progress.manifest.seek(saved["length"])
        progress.last = bytes.fromhex(saved["last"])
        progress.files, progress.bytes = saved["files"], saved["bytes"]
        progress.unreadable, progress.names = saved["unreadable"], saved["names"]
        job.logger.info("going on after %s files", progress.files)
        return progress

    def sync(self) -> None:
        """Put the manifest on disk."""
        self.manifest.flush()
        os.fsync(self.manifest.fileno())

    def save(self, job: Job, total: int) -> None:
        """Move the checkpoint to here, never ahead of what is on disk."""
        self.sync()
        job.checkpoint = {
            "length": self.manifest.tell(),
            "last": self.last.hex(),
            "files": self.files,
            "bytes": self.bytes,
            "unreadable": self.unreadable,
            "names": self.names,
        }
        job.set_progress(min(99, 100 * (self.files + self.unreadable) // total))


def partial(manifest: Path) -> Path:
    """Where a manifest grows before it is whole."""
    return manifest.with_name(manifest.name + ".partial")


def regular_files(top: bytes, leaving_out: set[bytes]) -> list[bytes]:
    """Paths of all regular files below ``top``, sorted; links are not followed."""
    found: list[bytes] = []
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            with suppress(OSError):  # gone since it was listed
                if stat.S_ISREG(os.lstat(path).st_mode) and path not in leaving_out:
                    found.append(path)
    return sorted(found)


def sha256(path: bytes, job: Job) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex of one file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            if job.interrupted:
                raise Interrupted
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def manifest_line(digest: str, path: bytes) -> bytes:
    """One line as ``sha256sum`` writes it: where a name has a backslash or line break it is escaped, and marked."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    return (b"\\" if escaped != path else b"") + digest.encode() + b"  " + escaped + b"\n"
