"""What sources have in common whose jobs come out of the locking queue: there the session decides."""

from typing import Generic, Protocol, TypeVar

from job_engine.executor.sources import Hearer


class Kept(Protocol):
    """What is taken of the queue, as far as the session goes; see `entries.Entries`."""

    hearer: Hearer | None

    @property
    def where(self) -> str: ...
    @property
    def granted(self) -> float: ...
    @property
    def good_until(self) -> float: ...


E = TypeVar("E", bound=Kept)


class Queued(Generic[E]):
    """The part of `Source` that is ZooKeeper's."""

    def __init__(self, entries: E) -> None:
        self._entries = entries
        self._hearer: Hearer | None = None

    @property
    def keeper(self) -> str:
        """See `Source.keeper`."""
        return self._entries.where

    @property
    def period(self) -> float:
        """The session timeout."""
        return self._entries.granted

    @property
    def good_until(self) -> float:
        """The session's deadline."""
        return self._entries.good_until

    def listen(self, hearer: Hearer) -> None:
        """See `Source.listen`."""
        self._hearer = self._entries.hearer = hearer
