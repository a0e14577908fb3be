"""Who calls: from the session's cookie, or from a header that a trusted address sends (contract, section 2)."""

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.types import Scope

from job_engine.api import acl, cookie_keys, tokens
from job_engine.api.client_address import within
from job_engine.store import resources, settings
from job_engine.store.database import Store

COOKIE: Final = "com.com.sixsq.nuvla.cookie"
DEVICE: Final = "job-engine-device"
"""The cookie of a browser in which somebody has signed in with a password."""
DEVICE_DAYS: Final = 400
"""Days for which browsers keep a cookie at most."""
HEADER: Final = b"nuvla-authn-info"
SESSION_DAYS: Final = 7
"""Days that a session lasts, as upstream's."""
KNOWN_FOR: Final = 60.0
"""Seconds for which a cookie is believed without a look whether its session still exists: another server may end it."""
TOKEN_KNOWN_FOR: Final = 5.0
"""Seconds for which a job's token is believed without a look whether its attempt still runs."""
KNOWN_LIMIT: Final = 4096
"""Cookies that are known at a time."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SHA256: Final = {"digest_method": hashlib.sha256}
_OLD_KEY: Final = "cookie-key"
_BROWSER: Final = b"Mozilla/"
"""How every browser begins its user-agent; pages cannot change it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and as whom."""

    user: str
    active: str  # the claim acted as: it owns what the caller adds
    claims: frozenset[str]
    session: str | None = None
    proxied: bool = False  # named by a trusted header: the session need not be in the record
    job: str | None = None  # the running job whose action calls, by its token

    @property
    def maker(self) -> str:
        """Who is noted as the maker of what the caller adds: the user, or a key that acts for itself."""
        return self.active if self.active.startswith("credential/") else self.user

    @property
    def admin(self) -> bool:
        """Whether the caller is an administrator."""
        return acl.ADMIN in self.claims

    @property
    def known(self) -> bool:
        """Whether the caller has said who they are."""
        return self.user != ANONYMOUS.user


ANONYMOUS: Final = Caller("user/anon", acl.ANON, frozenset({acl.ANON}))


class Link(NamedTuple):
    """What a sign-in link says."""

    number: str  # no other link has it
    user: str
    key: str | None  # the API key that the link came from
    made: float  # seconds since the epoch
    expires: float  # likewise


class Identities:
    """Makes callers of requests, and cookies of sessions.

    Args:
        keys: sign what is handed out, see `cookie_keys`.
        trusted: the networks whose nuvla-authn-info header is believed.
    """

    def __init__(self, store: Store, keys: Sequence[str], trusted: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._store = store
        self._signer = URLSafeSerializer(list(keys), salt="session", signer_kwargs=_SHA256)
        self._devices = URLSafeSerializer(list(keys), salt="device", signer_kwargs=_SHA256)
        self._sign_in = URLSafeSerializer(list(keys), salt="sign-in", signer_kwargs=_SHA256)
        self._trusted = lru_cache(4096)(lambda host: within(host, trusted)) if trusted else None
        self._known: dict[bytes, tuple[float, Caller]] = {}  # cookie → until when (monotonic), who
        self.forgotten = 0  # sessions that ended in this process

    @classmethod
    async def open(cls, store: Store, trusted: tuple[IPv4Network | IPv6Network, ...]) -> "Identities":
        """The identities of a record, whose key is made at its first start."""
        if await store.read(settings.text, _OLD_KEY):  # earlier versions kept it there, and in every copy
            await store.write(settings.forget, _OLD_KEY)
        return cls(store, cookie_keys.read(store.path), trusted)

    def at_once(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Caller | None:
        """The caller, if that takes no look into the record; else None, and `look_up` says it."""
        if scope["method"] not in _SAFE and not same_site(headers):
            return ANONYMOUS  # a page of somebody else makes this browser send what it is known by
        header = headers.get(HEADER)
        if header is not None and self._trusted is not None and self._trusted((scope.get("client") or ("",))[0]):
            return _by_header(header)
        cookie = cookie_in(headers)
        if cookie is None:
            return ANONYMOUS
        known = self._known.get(cookie)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    async def of(self, scope: Scope) -> Caller:
        """Who calls."""
        headers = dict(scope["headers"])
        caller = self.at_once(scope, headers)
        return await self.look_up(headers) if caller is None else caller

    async def look_up(self, headers: Mapping[bytes, bytes]) -> Caller:
        """The caller by a cookie that was not seen lately; anonymous when it is expired, revoked or not ours."""
        cookie = cookie_in(headers)
        if cookie is None:
            return ANONYMOUS
        self._known.pop(cookie, None)
        try:
            content = self._signer.loads(cookie.decode("latin-1"))
            if "job" in content:
                return await self._of_job(cookie, str(content["job"]), int(content["claim"]))
            caller = Caller(content["user"], content["active"], frozenset(content["claims"]), content["session"])
            left = content["expires"] - time.time()
        except (BadSignature, KeyError, TypeError, ValueError):
            return ANONYMOUS
        forgotten = self.forgotten
        if left <= 0 or await self._store.read(resources.find, caller.session) is None:
            return ANONYMOUS
        if forgotten != self.forgotten:  # perhaps this one, after the look; the next request looks again
            return caller
        self._know(cookie, min(KNOWN_FOR, left), caller)
        return caller

    async def _of_job(self, cookie: bytes, id_: str, claim: int) -> Caller:
        """The caller with the token of a job that runs."""
        forgotten = self.forgotten
        found = await self._store.read(tokens.owner, id_, claim)
        if found is None:
            return ANONYMOUS
        owner, claims = found
        caller = Caller(owner, owner, claims, job=id_)
        if forgotten == self.forgotten:
            self._know(cookie, TOKEN_KNOWN_FOR, caller)
        return caller

    def _know(self, cookie: bytes, seconds: float, caller: Caller) -> None:
        while len(self._known) >= KNOWN_LIMIT:
            del self._known[next(iter(self._known))]
        self._known[cookie] = (time.monotonic() + seconds, caller)

    def cookie(self, caller: Caller, expires: float) -> str:
        """The signed cookie value for a caller's session.

        Args:
            expires: seconds since the epoch.
        """
        content = {
            "user": caller.user,
            "active": caller.active,
            "claims": sorted(caller.claims),
            "session": caller.session,
            "expires": round(expires, 3),  # not whole seconds: a key may end before the next
            "n": secrets.token_hex(4),
        }
        return str(self._signer.dumps(content))

    def token(self, job: str, claim: int) -> str:
        """The cookie value with which the action of a job calls while ``claim`` holds it; see `tokens`."""
        return str(self._signer.dumps({"job": job, "claim": claim}))

    def believe(self, cookie: str, caller: Caller, seconds: float) -> None:
        """Believe this cookie for so long, though its session is not in the record."""
        self._know(cookie.encode("latin-1"), seconds, caller)

    def forget(self, session: str) -> None:
        """Believe no cookie of this session any more."""
        self.forgotten += 1
        for cookie in [cookie for cookie, (_, caller) in self._known.items() if caller.session == session]:
            del self._known[cookie]

    def forget_user(self, user: str) -> None:
        """Look into the record again for every cookie of this user."""
        self.forgotten += 1
        for cookie in [cookie for cookie, (_, caller) in self._known.items() if caller.user == user]:
            del self._known[cookie]

    def sign_in_token(self, user: str, key: str | None, seconds: float) -> str:
        """A token with which a browser may sign in as ``user``, once, within ``seconds``.

        Args:
            key: the API key that its maker's session came from.
        """
        now = time.time()
        content = {"user": user, "key": key, "made": now, "expires": now + seconds, "n": secrets.token_hex(8)}
        return str(self._sign_in.dumps(content))

    def device_cookie(self, user: str, *, secure: bool) -> tuple[bytes, bytes]:
        """The header that makes a browser one that is known to be the user's; see `device`."""
        value = str(self._devices.dumps({"user": user, "n": secrets.token_hex(8)}))
        return set_cookie(value, time.time() + DEVICE_DAYS * 86400, secure=secure, name=DEVICE)

    def device(self, headers: Mapping[bytes, bytes], user: str, *, ended: bool = True) -> str | None:
        """A number for where ``user`` was signed in before, by the browser's own cookie or that of a session.

        It gives no right but to be told from strangers who guess the password.

        Args:
            ended: whether a session counts, which may have ended.
        """
        for signer, name, number in ((self._devices, DEVICE, "n"), (self._signer, COOKIE, "session"))[: 1 + ended]:
            cookie = cookie_in(headers, f"{name}=".encode())
            try:
                content = signer.loads((cookie or b"").decode("latin-1"))
                if content["user"] == user:
                    return f"device {content[number]}"
            except (BadSignature, KeyError, TypeError, ValueError):
                continue
        return None

    def link(self, token: str) -> Link | None:
        """What a sign-in token says; None when it is not ours or expired."""
        try:
            content: dict[str, Any] = self._sign_in.loads(token)
            link = Link(*(content[name] for name in ("n", "user", "key", "made", "expires")))
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        return link if link.expires >= time.time() else None


def same_site(headers: Mapping[bytes, bytes]) -> bool:
    """Whether no page of another site sent a request: browsers say so, older ones by its origin only.

    Clients that are no browsers say neither.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host")


def may_act_by_get(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a GET may do something: browsers have to say that it was not asked for by a page of another site.

    They say so over https, and to this machine; over plain http nothing tells a link elsewhere from one of ours.
    """
    if b"sec-fetch-site" not in headers and headers.get(b"user-agent", b"").startswith(_BROWSER):
        return False
    return same_site(headers)


def set_cookie(value: str, expires: float, *, secure: bool = True, name: str = COOKIE) -> tuple[bytes, bytes]:
    """The header that hands out a cookie: a session's, or the one of this name.

    Args:
        expires: seconds since the epoch.
        secure: over https only; Nuvla's clients know how to take it over http (contract, section 1).
    """
    flags = "Secure; " if secure else ""
    text = f"{name}={value}; {flags}HttpOnly; SameSite=Lax; Path=/; Expires={formatdate(expires, usegmt=True)}"
    return (b"set-cookie", text.encode("latin-1"))


def end_cookie() -> tuple[bytes, bytes]:
    """The header that takes it back."""
    return (b"set-cookie", f"{COOKIE}=INVALID; Secure; HttpOnly; SameSite=Lax; Path=/; Max-Age=0".encode())


def cookie_in(headers: Mapping[bytes, bytes], prefix: bytes = f"{COOKIE}=".encode()) -> bytes | None:
    """The cookie of a session among a request's headers, or the one that begins like this; None without one."""
    for part in headers.get(b"cookie", b"").split(b";"):
        part = part.strip()
        if part.startswith(prefix):
            return part[len(prefix) :].strip(b'"')
    return None


@lru_cache(1024)
def _by_header(header: bytes) -> Caller:
    user, *rest = header.decode("latin-1").split() or [ANONYMOUS.user]
    claims = {user, acl.ANON, *rest[1:]}
    session = next((claim for claim in rest[1:] if claim.startswith("session/")), None)
    return Caller(user, rest[0] if rest else user, frozenset(claims), session, proxied=True)
