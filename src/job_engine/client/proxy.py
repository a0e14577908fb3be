"""Which proxy leads to an API server: one policy for each of our HTTP clients, and for Nuvla's.

A server whose URL begins with ``https`` is reached through the proxy that the environment names (``https_proxy``, else
``all_proxy``) unless ``no_proxy`` lists the host; the proxy carries an encrypted tunnel and reads nothing. A server
whose URL begins with ``http`` is always reached directly, since a proxy would read the credentials, and so is this
machine itself.
"""

import base64
import socket
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from job_engine.client.endpoint import Endpoint
from job_engine.job.errors import Invalid

LONGEST_HEAD: Final = 65536
"""Bytes that a proxy's answer may have."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that makes tunnels (RFC 9110, 9.3.6)."""

    host: str
    port: int
    url: str = field(repr=False)  # with the credentials for the proxy, if there are any
    authorization: str | None = field(default=None, repr=False)

    def tunnel(self, endpoint: Endpoint, timeout: float) -> socket.socket:
        """A connection to the endpoint's port through the proxy; blocks.

        Args:
            timeout: seconds until it has to be made.

        Raises:
            OSError: the proxy is unreachable or refuses; TimeoutError at the deadline.
        """
        deadline = time.monotonic() + timeout
        sock = socket.create_connection((self.host, self.port), timeout)
        try:
            host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
            head = f"CONNECT {host}:{endpoint.port} HTTP/1.1\r\nhost: {host}:{endpoint.port}\r\n"
            if self.authorization is not None:
                head += f"proxy-authorization: {self.authorization}\r\n"
            sock.sendall(f"{head}\r\n".encode("ascii"))
            answer = b""
            while b"\r\n\r\n" not in answer:
                sock.settimeout(max(deadline - time.monotonic(), 0.001))
                data = sock.recv(4096)
                answer += data
                if not data or len(answer) > LONGEST_HEAD:
                    raise ConnectionError(f"the proxy {self.host}:{self.port} answered what is no HTTP")
            status = answer.split(b"\r\n", 1)[0].decode("latin-1")
            if status.split(" ", 2)[1:2] != ["200"]:
                raise ConnectionError(f"the proxy {self.host}:{self.port} refused: {status}")
        except BaseException:
            sock.close()
            raise
        return sock


def proxy_of(endpoint: Endpoint) -> Proxy | None:
    """The proxy through which the endpoint is reached; None: directly.

    Raises:
        Invalid: the environment names a proxy of a kind that is not supported.
    """
    if not endpoint.tls or endpoint.loopback:
        return None
    named = getproxies_environment()
    url = named.get("https") or named.get("all")
    if not url or proxy_bypass(f"{endpoint.host}:{endpoint.port}"):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme != "http":
        shown = url.rpartition("@")[2]
        raise Invalid(f"the proxy {shown!r} in https_proxy is not supported: write http://HOST:PORT, or unset it")
    login = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(host, port, parts.geturl(), login)
