"""The socket that a server listens on, bound before anything starts.

``up`` keeps it, so that a server which is started again goes on with the same port and those who call meanwhile wait
instead of being refused.
"""

import socket
import time
from collections.abc import Callable
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL
from typing import Final

from job_engine.job.errors import Invalid

BACKLOG: Final = 2048
"""Connections that may wait to be accepted; the kernel's own limit may be lower."""
RELEASED_WITHIN: Final = 5.0
"""Seconds to wait for the port when a server of the same data is just ending, because its parent was killed."""


def listening(host: str, port: int, ending: Callable[[], bool] = lambda: False) -> socket.socket:
    """A socket that listens on the address; port 0 takes a free one.

    Args:
        ending: whether somebody may be about to release the port.

    Raises:
        Invalid: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise Invalid(f"{host!r} is not an address of this machine; try --host 127.0.0.1") from None
    give_up = time.monotonic() + RELEASED_WITHIN
    while True:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            if error.errno != EADDRINUSE or time.monotonic() > give_up or not ending():
                raise Invalid(_refused(error, host, port)) from None
            time.sleep(0.1)
        else:
            return sock


def address_of(sock: socket.socket) -> tuple[str, int]:
    """Host and port of a bound socket."""
    host, port = sock.getsockname()[:2]
    return str(host), int(port)


def local_url(host: str, port: int, *, tls: bool = False) -> str:
    """Where a server that listens there is reached on its own machine."""
    scheme = "https" if tls else "http"
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{reachable}]:{port}" if ":" in reachable else f"{scheme}://{reachable}:{port}"


def _refused(error: OSError, host: str, port: int) -> str:
    if error.errno == EADDRINUSE:
        return f"port {port} of {host} is in use; choose another with --port (0: any that is free)"
    if error.errno == EACCES:
        return f"you may not listen on port {port}; choose one above 1023 with --port"
    if error.errno == EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; try --host 127.0.0.1"
    return f"cannot listen on {host} port {port}: {error.strerror}"
