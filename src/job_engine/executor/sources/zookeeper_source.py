"""The common part of the sources whose jobs come from the locking queue: the ZooKeeper session decides there."""

from typing import Generic, Protocol, TypeVar

from job_engine.executor.sources import SourceListener


class TakenEntries(Protocol):
    """The state of the session in which entries are taken; `entries.Entries` implements it."""

    listener: SourceListener | None

    @property
    def where(self) -> str: ...
    @property
    def granted(self) -> float: ...
    @property
    def good_until(self) -> float: ...


E = TypeVar("E", bound=TakenEntries)


class ZooKeeperSource(Generic[E]):
    """The part of `Source` that depends on the ZooKeeper session."""

    def __init__(self, entries: E) -> None:
        self._entries = entries
        self._listener: SourceListener | None = None

    @property
    def keeper(self) -> str:
        """The service whose silence ends the holds, for messages."""
        return self._entries.where

    @property
    def period(self) -> float:
        """The session timeout."""
        return self._entries.granted

    @property
    def good_until(self) -> float:
        """The session's deadline."""
        return self._entries.good_until

    def listen(self, listener: SourceListener) -> None:
        """Notify ``listener`` of events; called once, before the first exchange."""
        self._listener = self._entries.listener = listener
