"""What a server that speaks TLS itself knows of its connections, and adds to its answers."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CERTIFIED: Final = "certified"
"""In the state of a request whose connection showed a certificate of an authority that the server trusts."""
HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
"""Browsers use https for this name from now on, for a year."""


def over_tls(app: ASGIApp) -> ASGIApp:
    """``app``, whose answers tell browsers to come back by https only (RFC 6797).

    Not under ``localhost``: whatever else a developer runs there would be meant too.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _local(scope):
            await app(scope, receive, send)
            return

        async def with_hsts(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], HSTS]
            await send(message)

        await app(scope, receive, with_hsts)

    return serve


def _local(scope: Scope) -> bool:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return bool(host.lower().partition(b":")[0] == b"localhost")
