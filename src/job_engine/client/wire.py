"""HTTP/1.1 as the supervisor speaks it: one small asyncio client, because library clients cost a quarter to a half
of the throughput there (docs/architecture.md).

It knows one server, keeps a few connections alive and has a deadline on every call. It repeats nothing by itself but
after a login: what may be repeated is known to the caller only.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, cast

from job_engine.client.endpoint import (
    SESSION_PATH,
    SESSION_QUERY,
    Credentials,
    Endpoint,
    cookies_of,
    no_session,
    reason,
    session_lives,
    tell_in_clear,
)
from job_engine.client.message import AnswerReader, header_lines, request_bytes
from job_engine.client.proxy import proxy_of
from job_engine.client.tls import VERIFY, Tls
from job_engine.job.errors import Unreachable

CONNECTIONS: Final = 4
"""Connections at most: a parked long-poll, the exchange that ends it, and room for a login or a look at a document."""
LOGIN_WITHIN: Final = 60.0
"""Seconds that a login may take, whatever the time of the call that began it: a server to which a whole fleet comes at
once answers late, and a login that is given up half-way only adds another one."""
TUNNEL_WITHIN: Final = 10.0
"""Seconds for a proxy to make a tunnel: the thread that waits for it ends then, whatever became of the call."""


class _Connection(asyncio.Protocol):
    """One connection with one request in flight at most."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self.answer = AnswerReader()
        self.usable = False  # open, and nothing in flight

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # with TCP_NODELAY: asyncio and uvloop set it
        self.usable = True

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self._waiting is None:
            return
        try:
            if error is not None:
                raise error
            self.answer.feed_end()
        except Exception as failure:  # noqa: BLE001 (boundary: whatever ended it is the caller's to see)
            self._done(failure)
        else:
            self._done()

    def data_received(self, data: bytes) -> None:
        try:
            self.answer.feed(data)
        except ConnectionError as failure:
            self.close()
            self._done(failure)
            return
        if self.answer.complete:
            self.usable = self.answer.keep_alive
            self._done()

    async def send(self, request: bytes) -> tuple[int, bytes, list[str]]:
        """Sends a whole request and waits for its answer: status, body, set-cookie headers; raises OSError."""
        if self._transport is None or not self.usable:
            raise ConnectionError("the connection was closed")
        self.usable = False
        self.answer.expect()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._waiting
        return self.answer.status, self.answer.body, self.answer.cookies

    def close(self) -> None:
        """Ends the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _done(self, failure: Exception | None = None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if failure is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(failure)


class WireClient:
    """Calls one API server from one event loop.

    Args:
        url: of the server, such as ``http://127.0.0.1:8080``.
        credentials: logs in before the first call, and once more when a call is answered 401 or 403.
        tls: for an https URL.
        headers: sent with every call.
        connections: how many calls may be in flight; more wait, within their own deadline.

    Raises:
        Invalid: ``url`` is none, or a file of ``tls`` is not as it should be.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        tls: Tls = VERIFY,
        headers: Mapping[str, str] | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self.endpoint = Endpoint.of(url)
        self._credentials = credentials or Credentials()
        self._tls = tls.context() if self.endpoint.tls else None
        tell_in_clear(self.endpoint, self._credentials)
        self._proxy = proxy_of(self.endpoint)
        self._fixed = header_lines({**self.endpoint.headers, **self._credentials.headers, **(headers or {})})
        self._cookie: str | None = None
        self._login: asyncio.Task[None] | None = None
        self._places = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._closed = False

    @property
    def session(self) -> str | None:
        """The ``cookie`` header of the session that was made last; None without one."""
        return self._cookie

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """POSTs JSON; see `request`."""
        return await self.request("POST", path, body, timeout=timeout, headers=headers)

    async def get(
        self,
        path: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """GETs a document; see `request`."""
        return await self.request("GET", path, timeout=timeout, headers=headers)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Makes one call and returns its status and body, whatever the status is.

        Args:
            path: from the root of the server, such as ``/api/job/...``.
            timeout: seconds until the whole answer, waiting for a connection and a login included; a login that takes
                longer goes on, and the next call waits for it.

        Raises:
            Unreachable: no complete answer in time. The request may have been carried out.
            Forbidden: the server does not accept the credentials.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._authenticated(method, path, body, header_lines(headers) if headers else b"")
        except TimeoutError:
            raise Unreachable(f"no answer from {self.endpoint.url} within {timeout:g} s") from None
        except OSError as error:  # TLS errors too
            raise Unreachable(f"no answer from {self.endpoint.url}: {reason(error)}") from error

    async def close(self) -> None:
        """Closes all idle connections, and those in use when their call ends; no call can be made any more."""
        self._closed = True
        if self._login is not None:
            self._login.cancel()
        while self._idle:
            self._idle.pop().close()

    async def _authenticated(self, method: str, path: str, body: bytes | None, extra: bytes) -> tuple[int, bytes]:
        if self._cookie is None and self._credentials.can_log_in:
            await self._log_in(None)
        cookie = self._cookie
        status, answered, _ = await self._call(method, path, body, extra, cookie)
        if status in (401, 403) and self._credentials.can_log_in:
            if status == 403:
                looked, found, _ = await self._call("GET", SESSION_QUERY, None, b"", cookie)
                if session_lives(looked, found):
                    return status, answered
            await self._log_in(cookie)
            status, answered, _ = await self._call(method, path, body, extra, self._cookie)
        return status, answered

    async def _log_in(self, refused: str | None) -> None:
        if self._login is None:
            if self._cookie != refused:  # another call has done it meanwhile
                return
            self._login = asyncio.get_running_loop().create_task(self._make_session())
            self._login.add_done_callback(self._logged_in)
        await asyncio.shield(self._login)

    async def _make_session(self) -> None:
        async with asyncio.timeout(LOGIN_WITHIN):
            # with the cookie of a session that ended: by it the server tells us from strangers who guess the password
            old = self._cookie
            status, answered, cookies = await self._call("POST", SESSION_PATH, self._credentials.login(), b"", old)
        if status >= 400:
            raise no_session(status, answered)
        self._cookie = cookies_of(cookies)

    def _logged_in(self, done: asyncio.Task[None]) -> None:
        self._login = None
        if not done.cancelled():
            done.exception()  # it is told to who waits for it; when nobody does any more, the next call tries again

    async def _call(
        self, method: str, path: str, body: bytes | None, extra: bytes, cookie: str | None
    ) -> tuple[int, bytes, list[str]]:
        headers = self._fixed + extra
        if cookie is not None:
            headers += b"cookie: " + cookie.encode("latin-1") + b"\r\n"
        request = request_bytes(method, f"{self.endpoint.prefix}{path}", headers, body)
        async with self._places:
            connection = await self._connection()
            try:
                return await connection.send(request)
            finally:  # a call that was cancelled leaves an answer on the way that is nobody's: not usable
                if connection.usable and not self._closed:
                    self._idle.append(connection)
                else:
                    connection.close()

    async def _connection(self) -> _Connection:
        if self._closed:
            raise ConnectionError("this client was closed")
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        loop = asyncio.get_running_loop()
        host, port = self.endpoint.host, self.endpoint.port
        if self._proxy is None:
            _, connection = await loop.create_connection(_Connection, host, port, ssl=self._tls)
            return connection
        sock = await loop.run_in_executor(None, self._proxy.tunnel, self.endpoint, TUNNEL_WITHIN)
        sock.setblocking(False)
        _, connection = await loop.create_connection(_Connection, sock=sock, ssl=self._tls, server_hostname=host)
        return connection
