"""``job.api``: real Nuvla API clients, which share one login and one pool of connections in a worker process."""

import threading
from typing import Any, Final

from job_engine.client.endpoint import Endpoint
from job_engine.executor.messages import Setup
from job_engine.job.errors import Forbidden

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
    """Makes API clients. The first one logs in.

    Args:
        setup: has the server's address and the credentials.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._lock = threading.Lock()
        self._cookies: Any = None
        self._adapter: Any = None

    def connect(self, job: str, attempt: int) -> Any:
        """A ``nuvla.api.Api`` that is logged in and names the hold of ``attempt`` on ``job`` in each request.

        Raises:
            Forbidden: the server does not accept the credentials.
            requests.RequestException: it does not answer.
        """
        from nuvla.api import Api  # here: it costs a worker process 10 MB that most actions do not need
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry

        setup = self._setup
        endpoint = Endpoint.of(setup.api_url)
        api = Api(
            endpoint=endpoint.url,
            insecure=setup.insecure or not endpoint.tls,
            persist_cookie=False,
            reauthenticate=setup.header is None,
            login_creds=self._credentials(),
            authn_header=setup.header,
        )
        with self._lock:
            if self._adapter is None:
                retry = Retry(
                    total=None,
                    connect=CONNECT_RETRIES,
                    read=False,
                    backoff_factor=FIRST_PAUSE,
                    backoff_max=LONGEST_PAUSE,
                )
                self._adapter = HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=retry)
            api.session.mount("http://", self._adapter)
            api.session.mount("https://", self._adapter)
            if self._cookies is None:
                self._log_in(api)
                self._cookies = api.session.cookies
        api.session.cookies = self._cookies
        api.session.headers[HOLD_HEADER] = f"{job} {attempt}"
        return api

    def _credentials(self) -> dict[str, str] | None:
        setup = self._setup
        if setup.username is not None and setup.password is not None:
            return {"username": setup.username, "password": setup.password}
        if setup.key is not None and setup.secret is not None:
            return {"key": setup.key, "secret": setup.secret}
        return None

    def _log_in(self, api: Any) -> None:
        if self._setup.header is not None or self._credentials() is None:
            return
        answer = api.login(api.session.login_params)
        if answer.status_code != 201:
            raise Forbidden(f"{self._setup.api_url} does not accept the executor's credentials: {answer.text[:200]}")
