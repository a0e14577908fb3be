"""``job.api``: real Nuvla API clients, each with the token of its job, and one pool of connections in a process."""

import threading
from typing import Any, Final

from job_engine.client.endpoint import Credentials
from job_engine.client.nuvla import adapter, adopt, log_in, nuvla_api
from job_engine.executor.messages import Setup
from job_engine.job.errors import Forbidden, Unreachable

HOLD_HEADER: Final = "Job-Hold"
"""Names the hold under which a request is made; the server refuses writes to the job under another one."""
CONNECT_RETRIES: Final = 8
"""How often a connection is tried again, within about 9 s: a server that restarts costs an action time only."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds between these tries; they double from the first one."""
CONNECTIONS: Final = 16
"""Idle connections that are kept."""


class Clients:
    """Makes API clients. The first one logs in, unless the supervisor has a session.

    Args:
        setup: has the server's address and the credentials.

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
            Forbidden: the server does not accept the credentials.
            Unreachable: it cannot be reached, or does not answer.
        """
        api = self._connected(self.credentials)
        if not self._setup.names_hold:
            return api
        api.session.headers[HOLD_HEADER] = f"{job} {claim}"
        if self._setup.full_api:
            return api
        own = self._connected(Credentials(cookie=_token(api, job)))
        own.session.headers[HOLD_HEADER] = f"{job} {claim}"
        return own

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


def _token(api: Any, job: str) -> str:
    """The cookie with which the action of this job calls.

    Raises:
        Forbidden: the job's hold has ended, or the executor may not have tokens.
        Unreachable: the server cannot be reached, or does not answer.
    """
    import requests
    from nuvla.api import NuvlaError
    from nuvla.api.models import CimiResource

    try:
        href = {"rel": "token", "href": f"{job}/token"}
        return str(api.operation(CimiResource({"id": job, "operations": [href]}), "token").data["cookie"])
    except NuvlaError as error:
        if error.response is not None and error.response.status_code >= 500:
            raise Unreachable(f"{api.endpoint} gives no token for {job} now: {error.reason}") from error
        raise Forbidden(f"{api.endpoint} gives no token for {job}: {error.reason}") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Unreachable(f"{api.endpoint} cannot be reached: {error}") from error
