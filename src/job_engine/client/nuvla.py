"""Nuvla's own client, ``nuvla.api.Api``, as the actions and distributions that were written for it know it."""

import logging
import ssl
import time
from http.cookiejar import eff_request_host  # type: ignore[attr-defined]
from typing import Any, Final, cast

from job_engine.client.endpoint import Credentials, Endpoint, no_session, session_lives
from job_engine.client.proxy import proxy_of
from job_engine.client.tls import VERIFY, Tls
from job_engine.job.backoff import pauses
from job_engine.job.errors import Forbidden, Unavailable

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds until a login is tried again that a server could not carry out; they double."""


def nuvla_api(url: str, credentials: Credentials, *, tls: Tls = VERIFY) -> Any:
    """An ``Api`` that has not logged in yet, see `log_in`, and does so again when its session has ended."""
    from nuvla.api import Api  # here: it costs a process 10 MB that most do not need

    endpoint = Endpoint.of(url)
    api = Api(
        endpoint=endpoint.url,
        insecure=tls.insecure or not endpoint.tls,
        persist_cookie=False,
        reauthenticate=credentials.can_log_in,
        login_creds=credentials.login_fields,
        authn_header=credentials.header,
    )
    steady(api)
    apply_policy(api)
    if endpoint.tls:
        api.session.mount("https://", adapter(tls))
    return api


def apply_policy(api: Any) -> None:
    """Make an ``Api`` use the proxy and trust the certificates that our own clients do.

    By itself its HTTP library takes proxies from the environment for every address, this machine's included, sends
    passwords of ``.netrc``, and trusts a list of authorities that it brings along instead of the system's.

    Raises:
        Invalid: the environment names a proxy of a kind that is not supported.
    """
    session, proxy = api.session, proxy_of(Endpoint.of(api.endpoint))
    session.trust_env = False
    session.proxies = {} if proxy is None else {"https": proxy.url}
    if session.verify:
        system = ssl.get_default_verify_paths()
        session.verify = system.cafile or system.capath or True


def adapter(tls: Tls, **settings: Any) -> Any:
    """What carries an ``Api``'s requests, with TLS as our own clients have it.

    Args:
        settings: of `requests.adapters.HTTPAdapter`.
    """
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **pool: Any) -> None:
            super().init_poolmanager(*arguments, **pool, ssl_context=tls.context())

        def proxy_manager_for(self, *arguments: Any, **pool: Any) -> Any:
            return super().proxy_manager_for(*arguments, **pool, ssl_context=tls.context())

    return Adapter(**settings)


def adopt(api: Any, session: str) -> None:
    """Go on with a session that somebody else has made, until it ends; then the ``Api`` makes its own.

    Args:
        session: its ``cookie`` header.
    """
    from requests import Request
    from requests.cookies import MockRequest, create_cookie

    _, domain = eff_request_host(cast(Any, MockRequest(Request("GET", api.endpoint).prepare())))
    for pair in session.split("; "):  # where the server's own would be, so that a later login replaces them
        name, _, value = pair.partition("=")
        cookie = create_cookie(name, value, domain=domain, path="/")  # type: ignore[no-untyped-call]
        api.session.cookies.set_cookie(cookie)


def steady(api: Any) -> None:
    """Make an ``Api`` wait for a server that makes no session now, and log in again only when its session has ended.

    By itself it takes whatever a login is answered for the end of it, and logs in anew for each 403.
    """
    from requests import RequestException

    session = api.session
    log_in_once, ended = session.cimi_login, session.need_to_login

    def log_in_patiently(params: Any) -> Any:
        pause, said = pauses(FIRST_PAUSE, LONGEST_PAUSE), False
        while True:
            answer = log_in_once(params)
            if answer is None or answer.status_code < 400:
                return answer
            error = no_session(answer.status_code, answer.content)
            if not isinstance(error, Unavailable):
                return answer
            if not said:
                said = True
                log.warning("%s makes no session now: %s; it is waited for", api.endpoint, error)
            time.sleep(next(pause))

    def needs_login(url: str, status: int) -> bool:
        if status != 403 or not ended(url, status):
            return bool(ended(url, status))
        try:
            looked = session._request("GET", f"{session.session_base_url}?last=0")
        except RequestException:
            return True
        return not session_lives(looked.status_code, looked.content)

    session.cimi_login, session.need_to_login = log_in_patiently, needs_login


def log_in(api: Any, credentials: Credentials, who: str) -> None:
    """Log in, if ``credentials`` are of a kind that needs it. Waits for a server that fails; see `steady`.

    Args:
        who: whose credentials they are, for messages.

    Raises:
        Forbidden: the server does not accept them.
        JobEngineError: it does not know what a login is.
        requests.RequestException: it does not answer.
    """
    if credentials.cookie is not None:
        api.session.cookies.update(dict(pair.split("=", 1) for pair in credentials.cookie.split("; ")))
    if not credentials.can_log_in:
        return
    answer = api.login(api.session.login_params)
    if answer.status_code not in (201, 400, 401, 403):
        error = no_session(answer.status_code, answer.content)
        raise type(error)(f"{api.endpoint} makes no session: {error.message}")
    if answer.status_code != 201:
        raise Forbidden(f"{api.endpoint} does not accept the {who}'s credentials: {answer.text[:200]}")
