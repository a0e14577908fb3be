"""Creation of folders that are missing in ZooKeeper."""

from collections.abc import Iterable

from job_engine.job.errors import Forbidden
from job_engine.queue import wire
from job_engine.queue.link import Link


async def create_missing(link: Link, folders: Iterable[bytes]) -> None:
    """Create these folders and their parents. Existing ones are left alone: rights above may be narrow.

    Raises Forbidden, and as `Link.call` does.
    """
    paths = list(dict.fromkeys(above for folder in folders for above in _parents(folder)))
    there = await link.responses(*[link.send(wire.exists(path)) for path in paths])
    for path, stat in zip(paths, there, strict=True):
        if isinstance(stat, Exception):
            raise stat
        if stat is None:
            made = await link.call(wire.multi([wire.create(path, b"", link.acl)]))
            if not made.done and wire.NODE_EXISTS not in made.codes:
                raise Forbidden(f"ZooKeeper does not let us create {path.decode()}.")


def _parents(path: bytes) -> list[bytes]:
    """``/a``, ``/a/b``, ``/a/b/c`` of ``/a/b/c``."""
    steps = path.strip(b"/").split(b"/")
    return [b"/" + b"/".join(steps[: n + 1]) for n in range(len(steps))]
