"""What a client may take of a server's connections: heads, bodies, time, and room for answers that it does not read."""

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from job_engine.api.bounds import PART, bounded
from job_engine.api.connections import RESERVED, TOLD, Connections, Limits, Rank, rank
from job_engine.cli.serving.tls import ServerTls
from tests import certificates

WITHIN: Final = 20.0
QUICK: Final = Limits(head_seconds=0.3, body_seconds=0.3, unread_seconds=0.5, linger_seconds=0.5, unread_bytes=1 << 20)
GET: Final = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE: Final = 600_000  # bytes of an answer: more than the sockets of both sides keep, below half of `unread_bytes`


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes the body; ``/large`` answers much, ``/known`` and ``/executor`` say who calls, ``/deaf`` reads nothing."""
    if scope["type"] != "http":
        return
    what, body = scope["path"][1:], b""
    if what.upper() in Rank.__members__:
        rank(scope, Rank[what.upper()])
    if what == "large":
        body = bytes(LARGE)
    elif what != "deaf":
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
    head = [(b"content-length", b"%d" % len(body))] + ([(b"connection", b"close")] if what == "deaf" else [])
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


class Served(uvicorn.Server):
    """A server in a thread."""

    def __init__(self, open_files: int, limits: Limits, tls: ssl.SSLContext | None) -> None:
        self.connections = Connections(open_files, limits)
        http: Any = bounded(self.connections, tls)
        config = uvicorn.Config(app, http=http, loop="uvloop", ws="none", log_config=None, timeout_keep_alive=1)
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        self.connections.sweep(time.monotonic())
        return await super().on_tick(counter)


class Client:
    """A socket to it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WITHIN)

    def ask(self, request: bytes) -> tuple[int, Any]:
        """Status and body of the answer to a request."""
        self.socket.sendall(request)
        return self.answer()

    def answer(self) -> tuple[int, Any]:
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.socket.recv(65536)
            assert part, f"closed without an answer: {data!r}"
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self.socket.recv(65536)
        return int(head.split()[1]), body

    def rest(self) -> bytes:
        """All that comes until the server ends the connection."""
        data = b""
        with suppress(ConnectionError):
            while part := self.socket.recv(65536):
                data += part
        return data

    @property
    def ended(self) -> bool:
        """Whether the server ends the connection; else a TimeoutError is raised."""
        self.rest()
        return True


@pytest.fixture
def serve() -> Iterator[Callable[..., Callable[[], Client]]]:
    """Starts a server; what it answers makes clients."""
    with ExitStack() as ends:

        def start(
            open_files: int = 1000, limits: Limits = QUICK, tls: ssl.SSLContext | None = None
        ) -> Callable[[], Client]:
            sock = socket.create_server(("127.0.0.1", 0), backlog=100)
            server = Served(open_files, limits, tls)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
            thread.start()
            ends.callback(thread.join, WITHIN)
            ends.callback(setattr, server, "should_exit", True)

            def client() -> Client:
                made = Client(sock.getsockname()[1])
                ends.callback(made.socket.close)
                return made

            client.server = server  # type: ignore[attr-defined]
            return client

        yield start


def head(size: int, *, headers: int = 1) -> bytes:
    """A GET whose head has so many bytes."""
    lines = b"".join(b"h%d: \r\n" % n for n in range(headers - 1))
    start = b"GET /x HTTP/1.1\r\n" + lines + b"a: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def test_heads_have_a_size(serve: Any) -> None:
    client, most = serve(), QUICK.head_bytes
    assert client().ask(head(most - 100))[0] == 200
    assert client().ask(head(1000, headers=QUICK.headers))[0] == 200
    for too_much in (head(most + 100), head(8 << 20), head(8 << 20)[:-2], head(3000, headers=QUICK.headers + 1)):
        status, body = client().ask(too_much)
        assert status == 431
        assert json.loads(body)["message"].startswith(("the head of a request may have", "a request may have 100"))
    for url in (b"GET /" + b"x" * (8 * most), b"GET /x HTTP/1.1\r\n" + b"x" * (8 * most)):
        assert client().ask(url + b"\r\n")[0] == 431
    trailers = client()
    trailers.socket.sendall(b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: ")
    assert ends_while_sent(trailers, b"x" * 4096)


def test_a_head_that_is_too_large_is_refused_before_its_end(serve: Any) -> None:
    client, unfinished = serve(limits=replace(QUICK, head_seconds=100)), head(QUICK.head_bytes + (32 << 10))[:-2]
    assert client().ask(unfinished)[0] == 431
    after = client()  # other requests, whose answers are owed: the connection ends
    after.socket.sendall(GET % b"x" * 3 + unfinished)
    assert after.ended
    part = client()  # a body, and a head that is allowed, in as many bytes as are looked at together
    body = b"POST /x HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (PART - 200) + bytes(PART - 200)
    part.socket.sendall(body + head(QUICK.head_bytes - 100))
    answers = b""
    while answers.count(b"200 OK") < 2:
        more = part.socket.recv(65536)
        assert more, answers[:100]
        answers += more


def ends_while_sent(client: Client, part: bytes) -> bool:
    """Whether the server ends the connection while a megabyte goes over it."""
    try:
        for _ in range(1 << 20, 0, -len(part)):
            client.socket.sendall(part)
    except ConnectionError:
        return True
    return client.ended


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n", b"\r\n\r\n", GET % b"x" + b"\r\n", GET % b"x" + b"GET /",
        b"POST /x HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc", b"POST /deaf HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
        b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)  # fmt: skip
def test_clients_have_some_time(serve: Any, sent: bytes) -> None:
    client = serve()()
    client.socket.sendall(sent)
    assert client.ended


def test_a_body_that_comes_fast_enough_may_take_longer(serve: Any) -> None:
    client = serve(limits=Limits(body_seconds=100, slowest=1000))
    one, connections = client(), client.server.connections
    one.socket.sendall(b"POST /x HTTP/1.1\r\ncontent-length: 60000\r\n\r\n")
    wait_for(lambda: any("bodies" in (each.overdue(time.monotonic() + 101) or "") for each in connections))
    one.socket.sendall(bytes(50_000))
    wait_for(lambda: all(each.overdue(time.monotonic() + 140) is None for each in connections))
    assert one.ask(bytes(10_000))[0] == 200


def test_who_is_refused_can_read_why(serve: Any) -> None:
    status, _ = serve()().ask(b"POST /deaf HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (4 << 20) + bytes(4 << 20))
    assert status == 200


def test_requests_sent_ahead_are_few(serve: Any) -> None:
    client = serve()
    few = client()
    few.socket.sendall(GET % b"x" * QUICK.ahead)
    assert few.answer()[0] == 200
    after = client()  # a large body, whose last part comes with the beginning of the next head
    after.socket.sendall(b"POST /x HTTP/1.1\r\ncontent-length: 200000\r\n\r\n" + bytes(200_000) + b"GET /x HT")
    assert after.answer()[0] == 200
    assert after.ask(b"TP/1.1\r\nhost: x\r\n\r\n")[0] == 200
    many = client()
    many.socket.sendall(GET % b"x" * 5000)
    assert many.rest().count(b"200 OK") < 5000


def test_answers_that_nobody_reads_are_few(serve: Any) -> None:
    client = serve()
    alone = client()
    alone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    alone.socket.sendall(GET % b"large" * 30)
    connections = client.server.connections
    wait_for(lambda: any(each.unread for each in connections))
    wait_for(lambda: len(connections) == 0)
    deaf = []
    for _ in range(20):
        deaf.append(client())
        deaf[-1].socket.sendall(GET % b"large" * 30)
    wait_for(lambda: len(connections) < 20)
    assert sum(each.unread for each in connections) <= QUICK.unread_bytes


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_strangers_push_out_strangers_only(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = serve(RESERVED + 40, Limits())  # 10 for executors, 15 for strangers, 15 for people
    people, executors = [client() for _ in range(5)], [client() for _ in range(5)]
    for each, who in ((people, b"known"), (executors, b"executor")):
        assert [one.ask(GET % who)[0] for one in each] == [200] * 5
    with caplog.at_level(logging.WARNING, "job_engine.api.connections"):
        strangers = [client() for _ in range(200)]
        assert [strangers[n].ended for n in range(200 - 15)] == [True] * (200 - 15)
        assert strangers[-1].ask(GET % b"x")[0] == 200
        assert [one.ask(GET % b"x")[0] for one in (*people, *executors)] == [200] * 10
        assert client().ask(GET % b"executor")[0] == 200
        wait_for(lambda: "closed for newer ones" in caplog.text)
    assert [record.name for record in caplog.records].count("job_engine.api.connections") == 1
    assert "from 127.0.0.1" in caplog.text
    connections = client.server.connections
    assert len(connections) <= 40


def test_handshakes_that_do_not_end_are_ended_and_counted(serve: Any, tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    limits = replace(QUICK, handshake_seconds=0.3)
    client = serve(limits=limits, tls=ServerTls(str(made.server)).context())
    client().socket.close()  # who leaves, as a probe does, is not late
    silent = [client() for _ in range(3)]
    silent[0].socket.sendall(b"\x16\x03\x01\x02")  # the beginning of a hello
    assert all(each.ended for each in silent)
    connections = client.server.connections
    wait_for(lambda: 3 in connections.refused(time.monotonic()).values())
    done = client()
    done.socket = ssl.create_default_context(cafile=str(made.authority)).wrap_socket(
        done.socket, server_hostname="127.0.0.1"
    )
    assert done.ask(GET % b"x")[0] == 200
    assert done.ended
    assert connections.refused(time.monotonic()) == {"TLS handshakes not done within 0.3 s": 3}


def test_handshakes_that_do_not_end_keep_nobody_out(serve: Any, tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    client = serve(RESERVED + 40, Limits(), ServerTls(str(made.server)).context())  # 15 for strangers
    context = ssl.create_default_context(cafile=str(made.authority))
    silent = [client() for _ in range(100)]
    assert [each.ended for each in silent[:85]] == [True] * 85
    one = client()
    one.socket = context.wrap_socket(one.socket, server_hostname="127.0.0.1")
    assert one.ask(GET % b"known")[0] == 200
    more = [client() for _ in range(100)]
    assert [each.ended for each in more[:85]] == [True] * 85
    assert one.ask(GET % b"x")[0] == 200
    assert len(client.server.connections) <= 16


def test_what_comes_with_the_end_of_the_handshake_is_read(serve: Any, tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    client = serve(limits=Limits(), tls=ServerTls(str(made.server)).context())
    context = ssl.create_default_context(cafile=str(made.authority))
    body = bytes(range(256)) * 4096
    for _ in range(20):
        one = client()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inside = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                inside.do_handshake()
                break
            except ssl.SSLWantReadError:
                one.socket.sendall(outgoing.read())
                incoming.write(one.socket.recv(1 << 16))
        inside.write(b"POST /x HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        one.socket.sendall(outgoing.read())  # the end of the handshake, and a request
        answer = b""
        while not answer.endswith(body[-100:]) or len(answer) < len(body):
            try:
                answer += inside.read(1 << 16)
            except ssl.SSLWantReadError:
                part = one.socket.recv(1 << 16)
                assert part
                incoming.write(part)
        assert answer.endswith(body)


def test_what_was_refused_is_counted_for_an_hour(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = serve()
    connections, now = client.server.connections, time.monotonic()
    assert connections.refused(now) == {}
    for _ in range(2):
        assert client().ask(head(100 << 10))[0] == 431
    wait_for(lambda: "refused: " in caplog.text)  # so that some were logged
    assert client().ask(head(1000, headers=200))[0] == 431
    counts = connections.refused(time.monotonic())
    assert list(counts.values()) == [2, 1], counts
    later = connections.refused(time.monotonic() + TOLD)
    assert later == {"requests with 431: a request may have 100 headers": 1}, "it is logged in the next minute"
