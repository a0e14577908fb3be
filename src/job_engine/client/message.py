"""HTTP/1.1 messages (RFC 9112) as values: the bytes of a request, and what an answer says. No I/O."""

import re
from collections.abc import Mapping
from typing import Final

import httptools

_BREAK: Final = re.compile(r"[\r\n\0]")
_UNQUOTED: Final = re.compile(r"[\0- ]")


def header_lines(headers: Mapping[str, str]) -> bytes:
    """The headers as they go over the wire.

    Raises:
        ValueError: one holds a line break or what is not Latin-1.
    """
    for name, value in headers.items():
        if _BREAK.search(name) or _BREAK.search(value):
            raise ValueError(f"the header {name!r} holds a line break")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")


def request_bytes(method: str, target: str, headers: bytes, body: bytes | None) -> bytes:
    """A whole request; a body is JSON.

    Raises:
        ValueError: ``target`` is not quoted.
    """
    if not target.isascii() or _UNQUOTED.search(target):
        raise ValueError(f"{target!r} is not a request target: quote it")
    head = f"{method} {target} HTTP/1.1\r\n".encode("ascii")
    if body is None:
        return b"".join((head, headers, b"\r\n"))
    length = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    return b"".join((head, headers, length, body))


class AnswerReader:
    """Reads the answers of one connection, one after the other.

    `expect` begins an answer; `feed` takes what arrived; then `complete` says whether it is all there. The methods
    ``on_...`` are called by the parser.
    """

    __slots__ = ("_fields", "_headers", "_parser", "_parts", "complete", "keep_alive", "status")

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.expect()
        self.complete = True

    def expect(self) -> None:
        """Makes ready for the next answer."""
        self.status = 0
        self._fields: list[tuple[bytes, bytes]] = []  # the headers
        self.complete = False
        self.keep_alive = False
        self._parts: list[bytes] = []
        self._headers = False

    @property
    def cookies(self) -> list[str]:
        """Values of set-cookie."""
        return [value.decode("latin-1") for name, value in self._fields if name.lower() == b"set-cookie"]

    @property
    def _framed(self) -> bool:
        """Whether it says itself where its body ends."""
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._fields)

    @property
    def body(self) -> bytes:
        """What has arrived of the body."""
        return b"".join(self._parts)

    def feed(self, data: bytes) -> None:
        """Takes bytes that arrived.

        Raises:
            ConnectionError: this is not HTTP, or an answer that nobody expects.
        """
        if self.complete:
            raise ConnectionError("an answer came that nobody had asked for")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionError(f"the answer is not HTTP: {error}") from None

    def feed_end(self) -> None:
        """Takes note of the end of the connection, which may be the end of the body (RFC 9112, 6.3).

        Raises:
            ConnectionError: the answer is not complete.
        """
        if not self.complete and not (self._headers and not self._framed):
            raise ConnectionError("the connection was closed without an answer")
        self.complete = True
        self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))  # looked at when somebody asks: for most answers nobody does

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headers = self.status >= 200  # not 100 Continue and its like

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        if self._headers:
            self.complete = True
            self.keep_alive = bool(self._parser.should_keep_alive())
