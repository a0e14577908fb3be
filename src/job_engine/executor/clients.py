"""What an action calls the API by: the token of its job, which its hold is good for, or the executor's own session."""

import threading
from typing import Any, Final

import msgspec

from job_engine.client.connection import Connection
from job_engine.client.discovery import Found
from job_engine.client.endpoint import Credentials, Endpoint, refusal
from job_engine.client.nuvla import adapter, adopt, log_in, nuvla_api
from job_engine.client.responses import decoded
from job_engine.executor.messages import Setup
from job_engine.job.errors import Forbidden, Unavailable, Unreachable

HOLD_HEADER: Final = "Job-Hold"
"""Names the hold under which a request is made; the server refuses writes to the job under another one."""
CONNECT_RETRIES: Final = 8
"""How often a connection is tried again, within about 9 s: a server that restarts costs an action time only."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds between these tries; they double from the first one."""
CONNECTIONS: Final = 16
"""Idle connections that are kept."""
TOKEN_WITHIN: Final = 30.0
"""Seconds that the server may take to give a token; `Job.api` asks again for as long as the job may wait."""


class _Token(msgspec.Struct):
    cookie: str


class Clients:
    """Makes API clients, with the token of a job or, if the executor hands them out, the executor's credentials.

    With these the first client logs in, unless the supervisor has a session.

    Args:
        setup: has the server's address, and the credentials if the executor hands them out.

    Attributes:
        session: the cookie of the supervisor's session; when it has ended, the clients make one of their own.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.credentials = Credentials(
            username=setup.username, password=setup.password, key=setup.key, secret=setup.secret,
            header=setup.header, cookie=setup.cookie,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._cookies: Any = None
        self.session: str | None = None
        self._adapter: Any = None
        self._line = Connection(Endpoint.of(setup.api_url), Credentials(), tls=setup.tls, timeout=TOKEN_WITHIN)

    def anew(self) -> None:
        """Begin without locks and connections, in a process that an action has forked: the parent uses its own."""
        self._lock = threading.Lock()
        if self._adapter is not None:
            self._adapter.init_poolmanager(CONNECTIONS, CONNECTIONS)

    def connect(self, job: str, claim: int) -> Any:
        """A ``nuvla.api.Api`` that is logged in and names the hold by ``claim`` on ``job`` in each request, if the
        server knows holds. It may do there what the owner of the job may, or, if the executor was told so, what the
        executor may.

        Raises:
            Forbidden: the server does not accept the credentials, or the job's hold has ended.
            Unreachable: it cannot be reached, or does not answer.
        """
        api = self._connected(self._credentials(job, claim))
        if self._setup.names_hold:
            api.session.headers[HOLD_HEADER] = f"{job} {claim}"
        return api

    def found(self, job: str, claim: int) -> Found:
        """The engine, for a client of ours that may do what `connect` makes may do.

        Raises:
            As `connect` does, if a token is needed.
        """
        return Found(self._setup.api_url, self._credentials(job, claim), self._setup.tls, job)

    def _credentials(self, job: str, claim: int) -> Credentials:
        return self.credentials if self._setup.hands_out else Credentials(cookie=self._token(job, claim))

    def _token(self, job: str, claim: int) -> str:
        """The cookie with which the action of this job calls."""
        reply = self._line.call("POST", f"/api/{job}/token", b"{}", headers={HOLD_HEADER: f"{job} {claim}"})
        if reply.status == 200:
            return decoded(reply, _Token).cookie
        refused, url = refusal(reply.status, reply.body), self._setup.api_url
        if isinstance(refused, Forbidden):
            raise Forbidden(f"{url} gives no token for {job}: {refused.message}")
        if reply.status >= 500 or isinstance(refused, Unavailable):
            raise Unreachable(f"{url} gives no token for {job} now: {refused.message}")
        raise refused

    def _connected(self, credentials: Credentials) -> Any:
        import requests
        from urllib3 import Retry

        setup = self._setup
        api = nuvla_api(setup.api_url, credentials, tls=setup.tls)
        with self._lock:
            if self._adapter is None:
                retry = Retry(
                    total=None,
                    connect=CONNECT_RETRIES,
                    read=False,
                    backoff_factor=FIRST_PAUSE,
                    backoff_max=LONGEST_PAUSE,
                )
                self._adapter = adapter(setup.tls, pool_maxsize=CONNECTIONS, max_retries=retry)
            api.session.mount("http://", self._adapter)
            api.session.mount("https://", self._adapter)
            if credentials is not self.credentials:
                log_in(api, credentials, "job")  # it has its own cookie, so nobody is asked
                return api
            if self._cookies is None:
                if self.session is not None and self.credentials.can_log_in:
                    adopt(api, self.session)
                else:
                    try:
                        log_in(api, self.credentials, "executor")
                    except (requests.ConnectionError, requests.Timeout) as error:
                        raise Unreachable(f"{setup.api_url} cannot be reached: {error}") from error
                self._cookies = api.session.cookies
        api.session.cookies = self._cookies
        return api
