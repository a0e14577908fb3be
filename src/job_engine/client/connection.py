"""Blocking calls to one API server, from any number of threads.

Each thread keeps one connection alive. What may be repeated is repeated while the server is briefly away, but not
before it has answered once: who names a server that is not there learns it at once.
"""

import os
import random
import select
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Final, NamedTuple

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
from job_engine.job.backoff import backoff
from job_engine.job.errors import Unavailable, Unreachable

FIRST_PAUSE: Final = 0.05
"""Seconds until the first repeat; each further pause is twice as long: a restarting server is back within a second."""
LONGEST_PAUSE: Final = 1.0
"""Seconds a pause between repeats has at most, so that nobody waits long for a server that is back."""
TRUSTED_IDLE: Final = 1.0
"""Seconds after which an idle connection is looked at before it is used: servers close theirs after five or more."""
CHUNK: Final = 1 << 18


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes
    repeated: bool  # an earlier request for the same may have been carried out


class _Line:
    """One connection, used by one thread of one process."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._timeout = 0.0  # of the socket, in seconds
        self.pid = os.getpid()
        self.answer = AnswerReader()
        self.used = time.monotonic()
        self.open = True

    def exchange(self, request: bytes, deadline: float) -> None:
        """Sends a request and reads its answer into ``answer``; raises OSError (TimeoutError at the deadline)."""
        self.answer.expect()
        self.open = False
        self._wait_until(deadline)
        self.socket.sendall(request)
        while not self.answer.complete:
            self._wait_until(deadline)
            data = self.socket.recv(CHUNK)
            if data:
                self.answer.feed(data)
            else:
                self.answer.feed_end()
        self.used = time.monotonic()
        self.open = self.answer.keep_alive

    def _wait_until(self, deadline: float) -> None:
        """Have the socket wait so long, or a hundredth longer: to set its timeout takes a call of the system."""
        left = _left(deadline)
        if not left <= self._timeout <= left * 1.01:
            self._timeout = left
            self.socket.settimeout(left)

    def healthy(self) -> bool:
        """Whether the next request can go over this connection."""
        if not self.open or self.pid != os.getpid():
            return False
        if time.monotonic() - self.used < TRUSTED_IDLE:
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0)  # what can be read between two exchanges is the end

    def close(self) -> None:
        self.open = False
        self.socket.close()

    def __del__(self) -> None:  # its thread has ended
        self.socket.close()


class Connection:
    """Calls one API server; see the module.

    Args:
        tls: for an https URL.
        timeout: seconds that a call may take, repeats and a login included.
    """

    def __init__(self, endpoint: Endpoint, credentials: Credentials, *, tls: Tls = VERIFY, timeout: float) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.timeout = timeout
        self._tls = tls.context() if endpoint.tls else None
        tell_in_clear(endpoint, credentials)
        self._proxy = proxy_of(endpoint)
        self._fixed = header_lines({**endpoint.headers, **credentials.headers})
        self._cookie: str | None = None
        self._met = False  # the server has answered once
        self._anew()
        _all.add(self)

    def _anew(self) -> None:
        """Begin without locks and connections: after a fork those of the parent may be in use by its other threads."""
        self._login = threading.Lock()
        self._own = threading.local()
        self._lines: weakref.WeakSet[_Line] = weakref.WeakSet()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        repeatable: bool = True,
        parked: float = 0.0,
        until: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Makes one call and returns the answer, whatever its status is.

        Args:
            path: from the root of the server, quoted.
            body: JSON.
            repeatable: that the request does no harm when it is carried out twice.
            parked: seconds that the server may take before it answers, beyond ``timeout``.
            until: when the call is given up at the latest, on the monotonic clock.

        Raises:
            Unreachable: no answer in time. The request may have been carried out.
            Forbidden: the server does not accept the credentials.
        """
        deadline = time.monotonic() + self.timeout + parked
        if until is not None:
            deadline = min(deadline, until)
        extra = header_lines(headers) if headers else b""
        failures = 0
        while True:
            failure: Unreachable | None = None
            try:
                status, answered = self._authenticated(method, path, body, extra, deadline)
            except OSError as error:
                failure = self._unreachable(error)
                failure.__cause__ = error
            else:
                self._met = True
                if status not in (502, 503, 504):
                    return Reply(status, answered, repeated=failures > 0)
            length = backoff(failures, FIRST_PAUSE, LONGEST_PAUSE)
            length *= random.uniform(0.5, 1.0)  # spreads clients that wait for one server
            if not (repeatable and self._met) or time.monotonic() + length >= deadline:
                if failure is not None:
                    raise failure
                return Reply(status, answered, repeated=failures > 0)
            time.sleep(length)
            failures += 1

    def close(self) -> None:
        """Closes the connections of all threads; the next call makes a new one."""
        for line in list(self._lines):
            line.close()

    def _authenticated(
        self, method: str, path: str, body: bytes | None, extra: bytes, deadline: float
    ) -> tuple[int, bytes]:
        if self._cookie is None and self.credentials.can_log_in:
            self._log_in(None, deadline)
        cookie = self._cookie
        answer = self._exchange(method, path, body, extra, cookie, deadline)
        status, answered = answer.status, answer.body
        if status in (401, 403) and self.credentials.can_log_in:
            if status == 403:
                looked = self._exchange("GET", SESSION_QUERY, None, b"", cookie, deadline)
                if session_lives(looked.status, looked.body):
                    return status, answered
            self._log_in(cookie, deadline)
            answer = self._exchange(method, path, body, extra, self._cookie, deadline)
            return answer.status, answer.body
        return status, answered

    def _log_in(self, refused: str | None, deadline: float) -> None:
        with self._login:
            if self._cookie != refused:  # another thread has done it meanwhile
                return
            # with the cookie of a session that ended: by it the server tells us from strangers who guess the password
            answer = self._exchange("POST", SESSION_PATH, self.credentials.login(), b"", refused, deadline)
            self._met = True
            if answer.status >= 400:
                error = no_session(answer.status, answer.body)
                raise _NoLoginError(error.message) if isinstance(error, Unavailable) else error
            self._cookie = cookies_of(answer.cookies)

    def _exchange(
        self, method: str, path: str, body: bytes | None, extra: bytes, cookie: str | None, deadline: float
    ) -> AnswerReader:
        headers = self._fixed + extra
        if cookie is not None:
            headers += b"cookie: " + cookie.encode("latin-1") + b"\r\n"
        request = request_bytes(method, f"{self.endpoint.prefix}{path}", headers, body)
        line: _Line | None = getattr(self._own, "line", None)
        if line is None or not line.healthy():
            if line is not None and line.pid == os.getpid():
                line.close()
            line = self._own.line = self._connect(deadline)
        try:
            line.exchange(request, deadline)
        except BaseException:  # KeyboardInterrupt too leaves an answer on the way that is nobody's
            line.close()
            raise
        return line.answer

    def _connect(self, deadline: float) -> _Line:
        if self._proxy is None:
            sock = socket.create_connection((self.endpoint.host, self.endpoint.port), _left(deadline))
        else:
            sock = self._proxy.tunnel(self.endpoint, _left(deadline))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self.endpoint.host)
        except BaseException:
            sock.close()
            raise
        line = _Line(sock)
        self._lines.add(line)
        return line

    def _unreachable(self, error: OSError) -> Unreachable:
        if isinstance(error, _NoLoginError):
            return Unreachable(f"the engine at {self.endpoint.url} can log in nobody now: {error}")
        if isinstance(error, TimeoutError):
            return Unreachable(f"no engine answers at {self.endpoint.url} within {self.timeout:g} s")
        start = "" if self.endpoint.tls else "; start one with: job-engine up"
        return Unreachable(f"no engine answers at {self.endpoint.url}: {reason(error)}{start}")


_all: weakref.WeakSet[Connection] = weakref.WeakSet()


def _forked() -> None:
    for connection in list(_all):
        connection._anew()


os.register_at_fork(after_in_child=_forked)


class _NoLoginError(ConnectionError):
    """The server answers, but makes no session: its disk is full, or too many log in."""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
