"""One request to the API: who calls what, its body within limits, its parameters."""

import asyncio
import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

from job_engine.api.client_address import address_of
from job_engine.api.identity import Caller
from job_engine.api.responses import Refused
from job_engine.api.transport import CERTIFIED
from job_engine.job.errors import UNREADABLE, Forbidden, Invalid
from job_engine.job.foreign import shown
from job_engine.job.nesting import DEPTH_LIMIT, shallow
from job_engine.job.nodes import NODES_LIMIT, limited, with_short_numbers

if TYPE_CHECKING:
    from job_engine.api.state import ApiState

BODY_LIMIT: Final = 16 << 20
"""Bytes that a request's body may have."""
STRANGERS_LIMIT: Final = 64 << 10
"""Bytes that a body may have of who has not logged in: a login has some hundred."""
STRANGERS_NODES: Final = 1_000
"""Values that it may have then: each costs more than its bytes."""
UNPACKED_FREE: Final = 1 << 20
RATIO_LIMIT: Final = 100
"""A body may unpack to `UNPACKED_FREE` bytes, and to so many times its size beyond: JSON seldom packs to a fiftieth."""
IN_THREAD: Final = 256 << 10
"""Bytes from which a body is unpacked, counted and decoded beside the event loop: a few milliseconds of it."""
FORM_LIMIT: Final = 256 << 10
"""Bytes that a form may have: the longest filter there may be, with every character escaped."""
FIELDS_LIMIT: Final = 1000
"""Parameters that a URL or a form may have."""
FORM: Final = b"application/x-www-form-urlencoded"

_decode = msgspec.json.Decoder().decode


class Call:
    """One request.

    Attributes:
        id: the resource or type that it is about, e.g. ``job`` or ``job/UUID``.
        caller: who calls.
    """

    def __init__(
        self, api: "ApiState", scope: Scope, receive: Receive, headers: dict[bytes, bytes], id_: str, caller: Caller
    ) -> None:
        self.api = api
        self.scope = scope
        self.headers = headers
        self.id = id_
        self.caller = caller
        self._receive = receive

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The body, unpacked.

        Args:
            limit: bytes that it may have, before and after it is unpacked; of strangers `STRANGERS_LIMIT` at most.

        Raises:
            Refused: it is too large (413); the rest is not read.
            Invalid: it is not the gzip that its header says.
            Forbidden: the caller's session ended while the body came, which may take as long as a caller likes.
        """
        forgotten = self.api.identities.forgotten
        if not self.caller.known:
            limit = min(limit, STRANGERS_LIMIT)
        length = self.headers.get(b"content-length")
        if length is not None and length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        message = await self._receive()
        data: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts = [data]
            size = len(data)
            while message.get("more_body"):
                message = await self._receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise _too_large(limit)
            data = b"".join(parts)
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request ended before its body")
        if forgotten != self.api.identities.forgotten and b"cookie" in self.headers and await self._has_ended():
            raise Forbidden("credentials required")
        encoding = self.headers.get(b"content-encoding")
        if encoding is None or encoding == b"identity" or not data:
            return data
        if len(data) < IN_THREAD:
            return _unpacked(data, encoding, limit)
        return await asyncio.to_thread(_unpacked, data, encoding, limit)

    async def _has_ended(self) -> bool:
        """Whether the session of the request's cookie is over by now."""
        return (await self.api.identities.of(self.scope)).user != self.caller.user

    async def disconnected(self) -> None:
        """Returns when the client has gone; for after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def json(self, nodes: int = NODES_LIMIT) -> Any:
        """The body as JSON; None when there is none.

        Args:
            nodes: values that it may have; of strangers `STRANGERS_NODES` at most.

        Raises:
            Invalid: it is not JSON, or has more.
        """
        body = await self.body()
        if not self.caller.known:
            nodes = min(nodes, STRANGERS_NODES)
        if len(body) < IN_THREAD:
            return decoded(body, nodes)
        return await asyncio.to_thread(decoded, body, nodes)

    @property
    def address(self) -> str:
        """Where it comes from."""
        return address_of(self.scope, self.api.settings.trust_proxy)

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The URL's parameters."""
        return _fields(self.scope["query_string"].decode("latin-1"))

    @property
    def is_form(self) -> bool:
        """Whether the body is a form."""
        return self.headers.get(b"content-type", b"").lower().startswith(FORM)

    async def fields(self) -> list[tuple[str, str]]:
        """The URL's parameters and those of a form in the body; a body of another type is no parameter."""
        if not self.is_form:
            return self.query
        return self.query + _fields((await self.body(FORM_LIMIT)).decode("latin-1"))

    def demand_certificate(self) -> None:
        """See that who calls as a part of the engine shows a certificate, on a server that asks for it.

        Raises:
            Forbidden: none of an authority that the server trusts came with the connection.
        """
        if self.api.settings.executors_certified and not self.scope.get("state", {}).get(CERTIFIED):
            raise Forbidden(
                f"invalid credentials for '{self.id}': executors and distributors show this server a certificate:"
                " give it to them with --api-cert and --api-cert-key"
            )

    def first(self, name: str) -> str | None:
        """The first parameter of this name in the URL."""
        return next((value for key, value in self.query if key == name), None)

    def flag(self, name: str) -> bool:
        """Whether a parameter in the URL is ``true``; it is not when it is absent.

        Raises:
            Invalid: it is neither ``true`` nor ``false``.
        """
        text = self.first(name)
        if text not in (None, "true", "false"):
            raise Invalid(f"{name}={shown(text)} is neither true nor false")
        return text == "true"

    def seconds(self, name: str, limit: float) -> float:
        """A parameter that is a time in seconds: ``limit`` when it is absent, and at most that.

        Raises:
            Invalid: it is not a number of seconds.
        """
        text = self.first(name)
        try:
            value = limit if text is None else float(text)
        except ValueError:
            value = -1.0
        if not value >= 0:
            raise Invalid(f"{name}={shown(text)} is not a number of seconds from 0 to {limit:g}")
        return min(value, limit)


def decoded(body: bytes, nodes: int = NODES_LIMIT) -> Any:
    """``body`` as JSON; None when it is empty.

    Raises:
        Invalid: it is not JSON, has more than ``nodes`` values or too long numbers, or is nested too deeply.
    """
    if not body:
        return None
    with_short_numbers(limited(body, "the body", nodes), "the body")
    try:
        value = _decode(body)
    except UNREADABLE as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Invalid("the body is not JSON that can be read: it is nested too deeply") from None
    # nearly always so few brackets that it need not be looked at
    return shallow(value, "the body") if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT else value


def selected(fields: Sequence[tuple[str, str]]) -> list[str]:
    """The attribute names in ``select``: separated by commas, or repeated."""
    return [name.strip() for key, value in fields if key == "select" for name in value.split(",") if name.strip()]


def _fields(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    except ValueError:
        raise Invalid(f"there are more than {FIELDS_LIMIT} parameters") from None


def _unpacked(data: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding.lower() not in (b"gzip", b"x-gzip"):
        raise Refused(415, f"content-encoding {encoding.decode('latin-1')!r} is not supported; use gzip")
    unpacker = zlib.decompressobj(wbits=31)
    most = UNPACKED_FREE + RATIO_LIMIT * len(data)
    try:
        plain = unpacker.decompress(data, min(limit, most) + 1)
    except zlib.error:
        raise Invalid("the body is not gzip, as its content-encoding says") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if len(plain) > most:
        raise Refused(413, f"the body unpacks to more than {RATIO_LIMIT} times its size", ((b"connection", b"close"),))
    if not unpacker.eof or unpacker.unused_data:
        raise Invalid("the body is not one whole gzip stream")
    return plain


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body has more than {limit} bytes", ((b"connection", b"close"),))
