"""One kazoo client and the one session it has.

kazoo would go on in a new session after an expiry, and send there what was asked of the old one. A link does not: it
refuses to connect a second session, so no call can run in a session that it was not made for.

kazoo's threads never do more here than put something into a box which our loop empties. What reaches the loop keeps the
order in which the connection saw it.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    ConnectionDropped,
    ConnectionLoss,
    KazooException,
    NoAuthError,
    SessionExpiredError,
    UnimplementedError,
)
from kazoo.protocol.states import KazooState, KeeperState

from job_engine.job.errors import Forbidden
from job_engine.queue import tls, wire
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.settings import ZooKeeper

RECONNECT_SECONDS = 0.3
"""Seconds between attempts at most. kazoo's own go up to an hour; with this, sessions survive short outages."""

DEADLINE_SHARE = 2 / 3
"""A call, like a session, is given up after this part of the session timeout."""

NODES_PER_READ = 500
"""Nodes in one read: some 50 kB of requests, 100 kB of answers."""

WITHOUT_MULTI_READ_SECONDS = 600.0
"""Seconds for which a server that lacks an operation is not asked for it again, since asking costs the connection."""

_SASL_REQUIRED = -124
_UNACCEPTED = "ZooKeeper does not accept these credentials."
_PROBE = 1  # a request's number; kazoo begins with it again, once this one is answered

_log = logging.getLogger(__name__)


class SessionCredentials(NamedTuple):
    """The number and password with which a session is resumed or ended."""

    session: int
    password: bytes


class ServersWithoutMultiRead:
    """Servers that do not know the read of many nodes at once: those before 3.6.

    Such a server answers at once what it does not know, ahead of what was sent before it, and closes the connection;
    kazoo's thread does not survive an answer out of order. So each connection begins with a read of no nodes, alone,
    and a server that fails it is remembered beyond the session. That a server can is never remembered: behind an
    address may be several servers.
    """

    def __init__(self) -> None:
        self._until: dict[Any, float] = {}

    def __contains__(self, address: object) -> bool:
        return self._until.get(address, 0.0) > time.monotonic()

    def add(self, address: object) -> None:
        self._until[address] = time.monotonic() + WITHOUT_MULTI_READ_SECONDS


class Link:
    """A connection to ZooKeeper that lasts as long as its session."""

    def __init__(
        self,
        settings: ZooKeeper,
        changed: Callable[[], None],
        credentials: SessionCredentials | None = None,
        without_multi_read: ServersWithoutMultiRead | None = None,
    ) -> None:
        """``changed`` is called in the loop whenever ``connected`` or ``ended`` may have changed.

        With ``credentials`` this very session goes on here, and no other is begun when it is over. Nodes are read one
        by one on any server if ``without_multi_read`` is None.
        """
        self.session = credentials.session if credentials else 0  # its number, once connected
        self.credentials = credentials
        self.granted = settings.session_timeout  # seconds; the server's word once connected
        self.connected = False
        self.ended = False
        self.refusal: Forbidden | None = None  # why the servers do not let us in
        self.trouble = ""  # why the last attempt to connect failed, in kazoo's words
        self.connections = 0  # how often it connected: names the connection
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._box: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._lock = threading.Lock()
        self._without_multi_read = without_multi_read
        self._reads_many = False  # in this connection
        self._client = _client(settings, credentials)
        self._chroot = str(self._client.chroot).encode()
        self._connect = self._client._connection._connect
        self._client._connection._connect = self._connect_once
        self._client.add_listener(self._on_state)
        self.acl = wire.acl_bytes(settings.acl)

    def open(self) -> None:
        """Start connecting; ``changed`` tells of it."""
        self._client.start_async()

    async def close(self) -> None:
        """End the session, or leave it to its timeout when there is no connection."""
        unheard = not self.connected
        self.connected, self.ended = False, True
        stopping = asyncio.ensure_future(asyncio.to_thread(self._stop))
        while unheard and not stopping.done():
            self.cut()  # else kazoo waits for who has taken its connection, be it only now, and says nothing
            await asyncio.wait((stopping,), timeout=RECONNECT_SECONDS)
        await stopping

    def cut(self) -> None:
        """Shut the socket: kazoo notices at once, also in a network that hangs, and connects again."""
        sock = self._client._connection._socket
        if sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)
        self._drop()

    def still(self, connection: int) -> bool:
        """Whether the connection with that number is up: nothing was cut since."""
        return self.connected and self.connections == connection

    def path(self, *parts: str) -> bytes:
        """A path below the chroot, as the wire wants it."""
        return self._chroot + "/".join(parts).encode()

    def send(self, request: wire.Request | wire.Children) -> "asyncio.Future[Any]":
        """Send without waiting. What the future gives is the value or the error; it raises nothing.

        Requests are answered in the order in which they were sent. Without a connection nothing is sent.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.ended:
            future.set_result(SessionLost())
        elif not self.connected:
            future.set_result(Unanswered())
        else:
            self._client._call(request, _Reply(self, request, future))
        return future

    async def responses(self, *futures: "asyncio.Future[Any]") -> list[Any]:
        """The values or errors. One that takes too long is Unanswered, and the connection is cut."""
        await asyncio.wait(futures, timeout=self.granted * DEADLINE_SHARE)
        if not all(future.done() for future in futures):
            self.cut()
        return [future.result() if future.done() else Unanswered() for future in futures]

    async def call(self, request: wire.Request | wire.Children) -> Any:
        """Send and wait. Raises Unanswered, SessionLost, Forbidden, or kazoo's error for what the server refused."""
        (answer,) = await self.responses(self.send(request))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send_reads(self, paths: Sequence[bytes]) -> "list[asyncio.Future[Any]]":
        """Read some nodes, in the flight of what was sent before. ``nodes`` puts the answers together."""
        if self._reads_many:
            return [
                self.send(wire.read_many(paths[i : i + NODES_PER_READ])) for i in range(0, len(paths), NODES_PER_READ)
            ]
        return [self.send(wire.read(path)) for path in paths]

    async def nodes(self, sent: "list[asyncio.Future[Any]]") -> list[wire.Node | None]:
        """The nodes, None for what is not there or must not be read. Raises as ``call`` does."""
        answers = await self.responses(*sent) if sent else []
        nodes: list[wire.Node | None] = []
        for answer in answers:
            if isinstance(answer, list):
                nodes += answer
            elif isinstance(answer, wire.Node):
                nodes.append(answer)
            elif getattr(answer, "code", None) == wire.NO_NODE:
                nodes.append(None)
            elif isinstance(answer, Forbidden) and not self._reads_many:
                nodes.append(None)  # as in a read of many
            else:
                raise answer
        return nodes

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Have the loop call this; from any thread."""
        with self._lock:
            first = not self._box
            self._box.append((function, args))
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to hear it
                self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        with self._lock:
            box, self._box = self._box, deque()
        for function, args in box:
            function(*args)

    # On kazoo's thread

    def _connect_once(self, *address: Any) -> Any:
        try:
            if self.session and self._client._session_id != self.session:
                raise SessionExpiredError
            result = self._connect(*address)
            reads_many = self._probe(address[1:], result[1] / 1000)
        except SessionExpiredError:
            self.post(self._on_lost, False)  # kazoo's listeners do not hear of a session that was never seen alive
            raise
        except Exception as error:
            self.trouble = " ".join(str(error).split())
            self.refusal = self._refusal_of(error)
            if isinstance(error, ConnectionDropped | AuthFailedError | self._client.handler.timeout_exception):
                raise
            # Anything else would end kazoo's thread, and nobody would hear of it.
            self.trouble = self.trouble or type(error).__name__
            raise (AuthFailedError if isinstance(error, KazooException) else ConnectionDropped) from error
        self.session, password = self._client._session_id, self._client._session_passwd
        # The first of the pair is the read timeout in ms, two thirds of what the server granted.
        self.post(self._on_connected, result[0] * 1.5 / 1000, SessionCredentials(self.session, password), reads_many)
        return result

    def _probe(self, address: tuple[Any, ...], timeout: float) -> bool:
        """Whether this server can read many nodes at once. Raises ConnectionDropped, but once, when it cannot."""
        if self._without_multi_read is None or address in self._without_multi_read:
            return False
        try:
            self._client._connection._invoke(timeout, wire.read_many(()), xid=_PROBE)
        except (UnimplementedError, ConnectionDropped) as error:
            self._without_multi_read.add(address)
            raise ConnectionDropped(f"{address[0]}:{address[1]} reads nodes one by one: connecting again") from error
        return True

    def _on_state(self, state: str) -> None:
        if state == KazooState.SUSPENDED:
            self.post(self._drop)
        elif state == KazooState.LOST:
            self.post(self._on_lost, self._client._state == KeeperState.AUTH_FAILED)

    def _stop(self) -> None:
        try:
            self._client.stop()
            self._client.close()
        except Exception as error:  # noqa: BLE001 - boundary: a client that is thrown away may fail as it likes
            _log.info("A ZooKeeper client did not stop in order: %s", error)

    def _refusal_of(self, error: Exception) -> Forbidden | None:
        if getattr(error, "code", None) != _SASL_REQUIRED:
            return None
        if self._client._connection.sasl_options:
            return Forbidden(_UNACCEPTED)
        return Forbidden("ZooKeeper serves nobody without SASL; give --zk-sasl.")

    # In the loop

    def _on_connected(self, granted: float, credentials: SessionCredentials, reads_many: bool) -> None:
        if self.ended:
            return
        self.granted, self.credentials, self.connected = granted, credentials, True
        self._reads_many = reads_many
        self.connections += 1
        self._changed()

    def _drop(self) -> None:
        if self.connected:
            self.connected = False
            self._changed()

    def _on_lost(self, refused: bool) -> None:
        self.connected, self.ended = False, True
        if refused and self.refusal is None:
            self.refusal = Forbidden(_UNACCEPTED)
        self._changed()


class _Reply:
    """The methods of an asynchronous result that kazoo's connection calls."""

    __slots__ = ("_connection", "_future", "_link", "_request")

    def __init__(self, link: Link, request: Any, future: "asyncio.Future[Any]") -> None:
        self._link, self._request, self._future = link, request, future
        self._connection = link.connections

    def set(self, value: Any = None) -> None:
        self._link.post(self._settle, value)

    def set_exception(self, error: Exception) -> None:
        self._link.post(self._fail, error)

    def _settle(self, value: Any) -> None:
        if not self._future.done():
            self._future.set_result(self._request.value(value) if isinstance(self._request, wire.Request) else value)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, ConnectionLoss):
            # Known before kazoo says SUSPENDED. Whoever reacts to the lost answer must see the link down, or it
            # would look before the takes have been compared.
            if self._link.still(self._connection):
                self._link._drop()
            error = Unanswered()
        elif isinstance(error, SessionExpiredError | ConnectionClosedError):
            error = SessionLost()
        elif isinstance(error, NoAuthError | AuthFailedError):
            error = Forbidden("ZooKeeper refuses: these credentials have no right to that node.")
        else:
            error = self._link._refusal_of(error) or error
        if not self._future.done():
            self._future.set_result(error)


def _client(settings: ZooKeeper, credentials: SessionCredentials | None) -> KazooClient:
    client = KazooClient(
        hosts=settings.hosts,
        timeout=settings.session_timeout,
        client_id=credentials,
        auth_data=set(settings.auth),
        sasl_options=dict(settings.sasl) if settings.sasl else None,
        connection_retry={"max_tries": -1, "max_delay": RECONNECT_SECONDS},
        logger=logging.getLogger("job_engine.queue.kazoo"),
        **(tls.for_kazoo(settings.tls) if settings.tls else {}),
    )
    if settings.tls:
        client.handler.select = tls.seeing_decrypted(client.handler.select)
    return client
