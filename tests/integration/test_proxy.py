"""Proxies, passwords and certificates of the environment: each of our HTTP clients, and Nuvla's, treats them alike."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from job_engine.client.connection import Connection
from job_engine.client.endpoint import Credentials, Endpoint
from job_engine.client.nuvla import nuvla_api
from job_engine.client.wire import WireClient
from job_engine.job.errors import Unreachable
from tests.certificates import make
from tests.integration.running import cli, running

ACTION = """
from job_engine import Job, action


@action
def asks(job: Job):
    return job.api.get(job.id).data["state"]
"""
ADMINISTRATOR = Credentials(header="group/nuvla-admin")


class Proxy:
    """A proxy that leads everybody to one port of this machine, whatever was asked for, and remembers what it read."""

    def __init__(self, leads_to: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.leads_to, self.answer = leads_to, answer
        self.heads: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536)
            self.heads.append(head.decode())
            sock.sendall(self.answer)
            with socket.create_connection(("127.0.0.1", self.leads_to)) as onward:
                threading.Thread(target=pipe, args=(onward, sock), daemon=True).start()
                pipe(sock, onward)

    def close(self) -> None:
        self.listener.close()


def pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Answers(BaseHTTPRequestHandler):
    """Answers every GET with an empty document."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def https(certificate: str) -> Iterator[int]:
    """A server with a certificate; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def by_connection(url: str) -> int:
    with closing(Connection(Endpoint.of(url), ADMINISTRATOR, timeout=10)) as connection:
        return connection.call("GET", "/api/job/1", repeatable=False).status


def by_wire(url: str) -> int:
    async def call() -> int:
        client = WireClient(url, credentials=ADMINISTRATOR)
        try:
            return (await client.get("/api/job/1", timeout=10))[0]
        finally:
            await client.close()

    return asyncio.run(call())


def by_nuvla(url: str) -> int:
    return int(nuvla_api(url, ADMINISTRATOR).session.get(f"{url}/api/job/1", timeout=10).status_code)


CLIENTS = [by_connection, by_wire, by_nuvla]


@pytest.mark.parametrize("client", CLIENTS)
def test_https_goes_through_a_tunnel_that_reads_nothing(tmp_path, monkeypatch, client: Callable[[str], int]):
    certificates = make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    with https(str(certificates.server)) as port, closing(Proxy(port)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//jane:hush@"))
        assert client("https://engine.example") == 200  # a name that only the proxy can find
        assert [head.split(" HTTP")[0] for head in proxy.heads] == ["CONNECT engine.example:443"]
        assert "nuvla-admin" not in proxy.heads[0]
        assert "amFuZTpodXNo" in proxy.heads[0]  # jane:hush


@pytest.mark.parametrize("client", CLIENTS[:2])
def test_a_proxy_that_refuses_is_named(monkeypatch, client: Callable[[str], int]):
    with closing(Proxy(9, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(Unreachable, match=r"the proxy 127\.0\.0\.1:\d+ refused: HTTP/1\.1 407"):
            client("https://engine.example")


def test_an_action_s_client_asks_neither_a_proxy_nor_netrc_for_this_machine(tmp_path):
    (tmp_path / "these_actions.py").write_text(ACTION)
    (tmp_path / ".netrc").write_text("default login jane password hush\n")
    (tmp_path / ".netrc").chmod(0o600)
    with closing(Proxy(9, b"HTTP/1.1 502 no\r\n\r\n")) as proxy:
        named = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), proxy.url)
        with running(tmp_path / "data", environ={**named, "HOME": str(tmp_path)}) as up:
            done = cli(up, "submit", "asks", "--wait")
            assert done.returncode == 0, done.stdout + done.stderr
        assert proxy.heads == []
