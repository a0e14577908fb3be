"""The names in one folder, kept current by one watch."""

import asyncio

from job_engine.queue import wire
from job_engine.queue.link import Link


class WatchedFolder:
    """A folder in ZooKeeper whose names are listed and watched; ``fired``: they may have changed since."""

    def __init__(self, *path: str, changed: asyncio.Event) -> None:
        """``changed`` is set whenever a watch fires."""
        self.fired = True
        self._path = path
        self._changed = changed
        self._link: Link | None = None

    def send(self, link: Link) -> "asyncio.Future[wire.Names | Exception]":
        """List, and watch for the next change. Cleared before sending: what changes later fires the new watch."""
        self.fired = False
        self._link = link
        return link.send(wire.Children(link.path(*self._path).decode(), self._on_watch))

    def fire(self) -> None:
        """Regard the names as changed: after a reconnect the watch is gone."""
        self.fired = True
        self._changed.set()

    def _on_watch(self, event: object) -> None:
        """On kazoo's thread. One bound method for ever: kazoo keeps a set of watchers, so none accumulate."""
        if self._link:
            self._link.post(self.fire)
