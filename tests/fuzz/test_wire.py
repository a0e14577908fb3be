"""Bytes on a socket, as no HTTP library sends them: answered below 500 or not at all, and others are served."""

import errno
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.conftest import Server, serve
from tests.fuzz.target import TIMES, ran

ANSWERED = 10.0
"""Seconds until a connection that was answered nothing, and was not closed, is let go."""
GONE = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
"""How it shows that the server did not want to hear the rest."""
WHOLE = (
    b"POST /api/job HTTP/1.1\r\nhost: x\r\ncookie: com.sixsq.nuvla.cookie=a\r\ncontent-type: application/json\r\n"
    b"content-length: 14\r\nconnection: close\r\n\r\n" + b'{"action":"x"}'
)
CHUNKED = (
    b"PUT /api/job/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    b"5\r\n[1,2]\r\n0\r\n\r\n"
)
PLAIN = b"GET /api/job?filter=a%3D1&first=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
odd = st.binary(max_size=6) | st.sampled_from(
    [b"\r\n", b"\n", b"\0", b"%00", b"\xff", b": ", b"HTTP/9.9", b"content-length: -1\r\n", b"ffffffffffffffff\r\n"]
    + [b"x: " + b"a" * size + b"\r\n" for size in (1000, 70_000)]
    + [b"x: y\r\n" * size for size in (90, 2000)]
)
changes = st.lists(st.tuples(st.integers(0, 250), odd, st.integers(0, 20)), max_size=3)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("data"))


@settings(max_examples=150 * TIMES)
@given(request=st.sampled_from([WHOLE, CHUNKED, PLAIN]), changed=changes, pieces=st.integers(1, 4))
def test_any_bytes(real: Server, request: bytes, changed: list[tuple[int, bytes, int]], pieces: int) -> None:
    for at, what, length in changed:
        request = request[:at] + what + request[at + length :]
    for line in _answered(real.port, request, pieces).split(b"HTTP/1.1 ")[1:]:
        assert line[:3] < b"500", line[:300]
    assert real.call("GET", "status", anonymous=True)[0] == 200
    ran("bytes on a socket", 2)


def _answered(port: int, request: bytes, pieces: int) -> bytes:
    size = -(-len(request) // pieces) or 1
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWERED) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(request), size):
                connection.sendall(request[at : at + size])
            connection.shutdown(socket.SHUT_WR)  # no more will come: whoever waits for it knows
            while data := connection.recv(65536):
                answer += data
        except OSError as error:
            if error.errno not in GONE:
                raise
    return answer
