"""The connections of a server: how many there may be and whose, how long a client may take, and what was refused.

Whoever has not said who they are can be anybody, so they push each other out, the oldest first; what they do never
costs people who are known, or executors, a connection.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from starlette.types import Scope

from job_engine.job.errors import Unavailable

log = logging.getLogger(__name__)

RESERVED: Final = 256
"""File descriptors for all that is no connection: the record, its readers, ZooKeeper, logs."""
MOST: Final = 20_000
"""Connections at most, however many files may be open: an idle one takes about 15 KB."""
STRANGERS_MOST: Final = 2_000
"""Connections of who has not said who they are: a fleet of executors logs in at once."""
LOGGED_EVERY: Final = 60.0
"""Seconds between two lines in the log that count what was refused."""
TOLD: Final = 3600.0
"""Seconds for which an administrator is told of it."""
ADDRESSES: Final = 1_000
"""Addresses that are counted between two lines."""
KEY: Final = "job_engine.connection"
"""Where a scope's extensions have the connection that a request came by."""


class Rank(IntEnum):
    """Whose a connection is."""

    STRANGER = 0
    KNOWN = 1
    EXECUTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may take."""

    head_bytes: int = 64 << 10
    headers: int = 100
    handshake_seconds: float = 10.0  # of TLS, which comes before the head
    head_seconds: float = 20.0  # from the first byte, or from the connect, to the end of the head
    body_seconds: float = 30.0  # from the head to the end of the body; and a second more for each `slowest` bytes
    slowest: int = 4 << 10
    unread_seconds: float = 30.0  # within which a client has to take something of what it asked for
    unread_bytes: int = 64 << 20  # of all connections whose clients do not read fast enough, together
    ahead: int = 32  # requests that are sent before the first is answered
    linger_seconds: float = 5.0  # for a client to read why it was refused, while it still sends
    linger_bytes: int = 32 << 20


class Connection(Protocol):
    """One of them."""

    rank: Rank
    the_connections: "Connections"

    @property
    def address(self) -> str:
        """Of the client."""

    @property
    def unread(self) -> int:
        """Bytes that the client has not taken yet."""

    def overdue(self, now: float) -> str | None:
        """What the client should have done by ``now``, for the log, if it is worth a word there; None: nothing."""

    def abort(self) -> None:
        """End at once."""


def rank(scope: Scope, rank: Rank) -> None:
    """Note whose the connection is that a request came by.

    Raises:
        Unavailable: people have as many connections as they may.
    """
    extensions = scope.get("extensions")
    connection: Connection | None = None if extensions is None else extensions.get(KEY)
    if connection is not None and connection.rank < rank:
        connection.the_connections.promote(connection, rank)


def refused(scope: Scope) -> dict[str, int]:
    """What the server refused within the last hour that a request came to, and how often; the most frequent first."""
    connection: Connection | None = scope.get("extensions", {}).get(KEY)
    return {} if connection is None else connection.the_connections.refused(time.monotonic())


class Connections:
    """All connections of one server. Its `sweep` is to be called about once a second.

    Args:
        open_files: how many descriptors the process may have.
    """

    def __init__(self, open_files: int, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.most = max(8, min(MOST, open_files - RESERVED))
        kept = self.most // 4  # for executors
        self._strangers_most = min(STRANGERS_MOST, (self.most - kept) // 2)
        self._known_most = self.most - kept - self._strangers_most
        self._ranks: dict[Rank, dict[Connection, None]] = {rank: {} for rank in Rank}  # each in the order of arrival
        self._slow: dict[Connection, None] = {}  # whose clients do not read, longest first
        self._refused: Counter[str] = Counter()
        self._from: Counter[str] = Counter()
        self._log_at = 0.0
        self._logged: deque[tuple[float, Counter[str]]] = deque(maxlen=round(TOLD / LOGGED_EVERY))

    def __iter__(self) -> Iterator[Connection]:
        for connections in self._ranks.values():
            yield from connections

    def __len__(self) -> int:
        return sum(map(len, self._ranks.values()))

    def opened(self, connection: Connection) -> None:
        """Somebody has connected: the oldest stranger is closed if there are too many by now."""
        strangers = self._ranks[Rank.STRANGER]
        strangers[connection] = None
        if len(strangers) > self._strangers_most or len(self) > self.most:
            oldest = next(iter(strangers))
            self.refuse(oldest, f"connections of strangers closed for newer ones, beyond {self._strangers_most}")
            self.closed(oldest)
            oldest.abort()

    def closed(self, connection: Connection) -> None:
        """A connection has ended."""
        self._ranks[connection.rank].pop(connection, None)
        self._slow.pop(connection, None)

    def promote(self, connection: Connection, rank: Rank) -> None:
        """A connection is found to be of higher rank; raises as `rank` does."""
        if rank is Rank.KNOWN and len(self._ranks[rank]) >= self._known_most:
            self.refuse(connection, f"requests of people who have {self._known_most} connections already")
            raise Unavailable("too many connections; try again in a moment, or close some")
        if connection in self._ranks[connection.rank]:  # else it has ended meanwhile
            del self._ranks[connection.rank][connection]
            self._ranks[rank][connection] = None
        connection.rank = rank

    def slow(self, connection: Connection) -> None:
        """A client does not read what it asked for: who did longest is cut off when that is too much for all."""
        self._slow[connection] = None
        while self._slow and sum(each.unread for each in self._slow) > self.limits.unread_bytes:
            longest = next(iter(self._slow))
            self.refuse(longest, f"answers not read: {self.limits.unread_bytes >> 20} MiB waited for their clients")
            self.closed(longest)
            longest.abort()

    def reads(self, connection: Connection) -> None:
        """A client has read what it asked for."""
        self._slow.pop(connection, None)

    def refuse(self, connection: Connection, what: str) -> None:
        """Count something refused, for the log and for administrators."""
        self._refused[what] += 1
        if len(self._from) < ADDRESSES or connection.address in self._from:
            self._from[connection.address] += 1

    def refused(self, now: float) -> dict[str, int]:
        """What was refused within the last hour, and how often; the most frequent first."""
        counts = self._refused.copy()
        for at, logged in self._logged:
            if at > now - TOLD:
                counts += logged
        return dict(counts.most_common())

    def sweep(self, now: float) -> None:
        """Close the connections whose clients take too long, and log what was refused.

        Args:
            now: by the clock of the event loop.
        """
        late = [(connection, what) for connection in self if (what := connection.overdue(now)) is not None]
        for connection, what in late:
            if what:
                self.refuse(connection, what)
            self.closed(connection)
            connection.abort()
        if self._refused and time.monotonic() >= self._log_at:
            counts = "; ".join(f"{count} x {what}" for what, count in self._refused.most_common())
            address, most = self._from.most_common(1)[0]
            log.warning("refused: %s. Most (%d) from %s; %d connections are open", counts, most, address, len(self))
            self._logged.append((time.monotonic(), self._refused))
            self._refused = Counter()
            self._from.clear()
            self._log_at = time.monotonic() + LOGGED_EVERY
