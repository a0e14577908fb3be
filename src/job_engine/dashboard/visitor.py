"""The visitor of a page, and the proof that a form was sent by one of our pages."""

import hashlib
import hmac
import shlex
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from job_engine.api import acl, connections
from job_engine.api.client_address import address_of
from job_engine.api.connections import Rank
from job_engine.api.identity import Caller, cookie_in, same_site
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden, Invalid

FORM_BYTES: Final = 64 << 10
"""Bytes that a form may have: ours have a name, a password and a filter at most."""


class ForeignForm(Forbidden):
    """A form may have been sent by a page of somebody else."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """The visitor of a page.

    Attributes:
        token: what our forms carry and other sites cannot know: a digest of the cookie, which scripts cannot read.
        name: what the visitor is called.
        address: from where.
    """

    api: ApiState
    caller: Caller
    token: str
    name: str = ""
    address: str = ""

    @classmethod
    async def of(cls, request: Request) -> "Visitor":
        """Who sent a request."""
        api: ApiState = request.app.state.api
        key = cookie_in(dict(request.scope["headers"]))  # Starlette's own look at cookies is quadratic in backslashes
        token = hmac.digest(key, b"form", hashlib.sha256).hex() if key else ""
        caller = await api.identities.of(request.scope)
        if caller.known:
            connections.rank(request.scope, Rank.KNOWN)
        return cls(api, caller, token, address=address_of(request.scope, api.settings.trust_proxy))

    @property
    def known(self) -> bool:
        """Whether the visitor has signed in."""
        return self.caller.known

    def may(self, type_: str, right: str) -> bool:
        """Whether the visitor has a right on a whole collection."""
        return acl.may(self.caller.claims, type_, right)

    @property
    def has_account(self) -> bool:
        """Whether the visitor acts as a user, who may change the password."""
        return self.caller.user.startswith("user/") and self.caller.user in self.caller.claims

    @property
    def trouble(self) -> str:
        """Why nothing can be changed now; empty: it can."""
        return self.api.store.trouble

    def command(self, command: str) -> str:
        """A command line for the engine of this server; administrators are told where its data is too."""
        folder = self.api.settings.admin_folder
        if folder is None or not self.caller.admin:
            return f"job-engine {command}"
        name, _, rest = command.partition(" ")
        return " ".join(part for part in ("job-engine", name, "--data", shlex.quote(str(folder)), rest) if part)

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that one of our pages sent.

        Raises:
            ForeignForm: it may have been sent by a page of somebody else.
            Invalid: it is no form, or too large, or ended before its end.
        """
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > FORM_BYTES:
                    raise Invalid("the form is too large")
        except ClientDisconnect:
            raise Invalid("the request ended before its form") from None
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise Invalid("the form is not text") from None
        # a caller known by a proxy's header has no cookie, so no token; browsers say where a form comes from
        token = fields.get("token", "").encode()
        ours = same_site(dict(request.scope["headers"]))
        if not ours or (self.token and not hmac.compare_digest(token, self.token.encode())):
            raise ForeignForm("this form is out of date, or was not sent from here; reload the page, try again")
        return fields
