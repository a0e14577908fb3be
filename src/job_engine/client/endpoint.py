"""Where an API server is, and who calls it."""

import logging
import ssl
from dataclasses import dataclass, field
from functools import cache
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import msgspec

from job_engine.job.errors import UNREADABLE, Conflict, Forbidden, Invalid, JobEngineError, NotFound, Unavailable

log = logging.getLogger(__name__)

SESSION_PATH: Final = "/api/session"
"""Where a login is posted, and what answers 403 for wrong credentials only (contract, section 2)."""
SESSION_QUERY: Final = f"{SESSION_PATH}?last=0"
"""Open to all; it counts the caller's session, if there is one (contract, section 2)."""
BUSY: Final = 429
"""The status of a server that takes no login now."""
AUTHN_HEADER: Final = "nuvla-authn-info"
"""The header that names the caller to a server that trusts the caller's address (contract, section 2)."""


_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""What OpenSSL calls it, in its versions, when a server answers in clear."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an API server."""

    url: str  # as people write it, without a slash at the end
    tls: bool
    host: str
    port: int
    prefix: str  # path before /api, mostly empty

    @classmethod
    def of(cls, url: str) -> "Endpoint":
        """The endpoint at ``url``; ``/api`` at its end may be there or not.

        Raises:
            Invalid: it is not an http or https URL.
        """
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise Invalid(f"{url!r} is not a URL ({error}); write for example http://127.0.0.1:8080") from None
        if parts.scheme not in ("http", "https") or not host:
            raise Invalid(f"{url!r} is not the URL of an API server; write for example http://127.0.0.1:8080")
        tls = parts.scheme == "https"
        prefix = parts.path.rstrip("/").removesuffix("/api")
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{prefix}"
        return cls(shown, tls, host, port or (443 if tls else 80), prefix)

    @property
    def authority(self) -> str:
        """What the ``host`` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What every request to it carries."""
        return {"host": self.authority, "accept": "application/json", "accept-encoding": "identity"}

    @property
    def loopback(self) -> bool:
        """Whether it is this machine itself."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who calls: a user, an API key, a header that the server takes from trusted addresses, or the cookie of a session;
    else nobody."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    header: str | None = None  # the value of nuvla-authn-info
    cookie: str | None = field(default=None, repr=False)  # of a session that somebody else has made

    @property
    def can_log_in(self) -> bool:
        """Whether a session can be made, and made again."""
        return self.header is None and self.cookie is None and bool(self.login_fields)

    @property
    def name_somebody(self) -> bool:
        """Whether the server learns from them who calls."""
        return self.header is not None or self.cookie is not None or self.can_log_in

    @property
    def login_fields(self) -> dict[str, str]:
        """What a session is made of, by its names in the API: a user's goes before an API key's; empty without both."""
        if self.username is not None and self.password is not None:
            return {"username": self.username, "password": self.password}
        if self.key is not None and self.secret is not None:
            return {"key": self.key, "secret": self.secret}
        return {}

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        headers = {AUTHN_HEADER: self.header} if self.header is not None else {}
        return {**headers, "cookie": self.cookie} if self.cookie is not None else headers

    def login(self) -> bytes:
        """The JSON document to post to `SESSION_PATH`."""
        fields = self.login_fields
        href = "session-template/password" if "password" in fields else "session-template/api-key"
        return msgspec.json.encode({"template": {"href": href, **fields}})


def tell_in_clear(endpoint: Endpoint, credentials: Credentials) -> None:
    """Warn, once in a process for each server, if a password or a key's secret will leave this machine unencrypted."""
    if credentials.can_log_in and not endpoint.tls and not endpoint.loopback:
        _warn_of_clear(endpoint.url, "password" if "password" in credentials.login_fields else "API key's secret")


@cache
def _warn_of_clear(url: str, what: str) -> None:
    log.warning(
        "%s is not encrypted: whoever is on the way there reads the %s; give the server --tls-cert, or a TLS proxy,"
        " and use its https URL (docs/running.md, TLS)",
        url,
        what,
    )


def cookies_of(set_cookie: list[str]) -> str | None:
    """The ``cookie`` header that answers these ``set-cookie`` headers; none if they set nothing."""
    found: dict[str, str] = {}
    for line in set_cookie:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(line)
        except CookieError:
            continue
        found.update((name, morsel.coded_value) for name, morsel in jar.items())
    return "; ".join(f"{name}={value}" for name, value in found.items()) or None


class _Found(msgspec.Struct):
    count: int = 0


class _Refusal(msgspec.Struct):
    message: str = ""


def refusal(status: int, body: bytes) -> JobEngineError:
    """The error that an answer of ``status`` 400 and up stands for, with the server's own sentence if it sent one."""
    try:
        message = msgspec.json.decode(body, type=_Refusal).message
    except UNREADABLE:
        message = ""
    message = message or f"the server answered with status {status}"
    match status:
        case 400 | 405 | 413 | 415 | 422:
            return Invalid(message)
        case 401 | 403:
            return Forbidden(message)
        case 404:
            return NotFound(message)
        case 409:
            return Conflict(message)
        case 502 | 503 | 504:
            return Unavailable(message)
        case _:
            return JobEngineError(message)


def no_session(status: int, body: bytes) -> JobEngineError:
    """Why a login made no session. Only a refusal says something of the credentials: a server that fails, or has too
    much to do, is Unavailable."""
    error = refusal(status, body)
    return Unavailable(error.message) if status >= 500 or status == BUSY else error


def session_lives(status: int, body: bytes) -> bool:
    """Whether the answer to `SESSION_QUERY` shows a session: then a refusal before was one of rights, and another login
    would change nothing."""
    try:
        return status == 200 and msgspec.json.decode(body, type=_Found).count > 0
    except UNREADABLE:
        return False


def reason(error: OSError) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return "no TLS is spoken there; if it is the right port, write http:// instead of https://"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return error.strerror or str(error) or type(error).__name__
