"""Who waits for changes of jobs: long-polls for one, streams for all. Woken by commits; nothing polls."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from job_engine.store.transaction import Transaction

BACKLOG: Final = 500
"""Changed jobs that a stream names one by one; of more it says that there are more."""


class Watch:
    """Gathers the ids of changed jobs for one reader."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._ids: dict[str, None] = {}
        self.overflowed = False
        self.ended = False

    def add(self, ids: list[str]) -> None:
        """Note changes."""
        self._ids.update(dict.fromkeys(ids))
        if len(self._ids) > BACKLOG:
            self._ids.clear()
            self.overflowed = True
        self._woken.set()

    def end(self) -> None:
        """There will be no more."""
        self.ended = True
        self._woken.set()

    async def wait(self, seconds: float) -> bool:
        """Whether something changed, or this ended, within ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        return self._woken.is_set()

    def take(self) -> tuple[list[str], bool]:
        """What changed since the last look, and whether there was more than is named."""
        ids, more = list(self._ids), self.overflowed
        self._ids.clear()
        self.overflowed = False
        if not self.ended:
            self._woken.clear()
        return ids, more


class Changes:
    """Tells watches what a transaction changed; `told` is a store's ``after_commit``."""

    def __init__(self) -> None:
        self._all: set[Watch] = set()
        self._one: dict[str, set[Watch]] = {}
        self._ended = False

    def told(self, tx: Transaction) -> None:
        """Wake who waits for what ``tx`` changed."""
        if self._one:
            for id_ in tx.changed if len(tx.changed) < len(self._one) else self._one.keys() & set(tx.changed):
                for watch in self._one.get(id_, ()):
                    watch.add([id_])
        for watch in self._all:
            watch.add(tx.changed)

    def tell(self, id_: str) -> None:
        """Wake who waits for ``id_``, which is no job."""
        for watch in self._one.get(id_, ()):
            watch.add([id_])

    @contextlib.contextmanager
    def of(self, id_: str | None = None) -> Iterator[Watch]:
        """A watch of one job, or of all."""
        watch = Watch()
        if self._ended:
            watch.end()
        group = self._all if id_ is None else self._one.setdefault(id_, set())
        group.add(watch)
        try:
            yield watch
        finally:
            group.discard(watch)
            if id_ is not None and not group and self._one.get(id_) is group:
                del self._one[id_]

    def end(self) -> None:
        """End all watches, and those to come."""
        self._ended = True
        for watch in [*self._all, *(watch for group in self._one.values() for watch in group)]:
            watch.end()
