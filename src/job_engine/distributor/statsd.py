"""Gauges for a statsd server: one datagram each, whether anybody hears it or not."""

import contextlib
import socket
from typing import Final

from job_engine.job.errors import Invalid

STATSD_PORT: Final = 8125
"""Of statsd, unless one is given."""


class Statsd:
    """A statsd server.

    Args:
        address: ``HOST`` or ``HOST:PORT``.

    Raises:
        Invalid: the address is none.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        if not host or (port and not port.isdigit()):
            raise Invalid(f"{address!r} is not the address of a statsd server; write HOST or HOST:PORT")
        self._address = (host, int(port or STATSD_PORT))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge."""
        with contextlib.suppress(OSError):  # nobody is there: what is measured is not worth a failed tick
            self._socket.sendto(f"{name}:{value}|g".encode(), self._address)
