"""An HTTP server on loopback that answers as a test says, and remembers what it was asked."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


Answerer = Callable[[Request], "bytes | None"]


def answer(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    """An answer; a None instead of one closes the connection."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Scripted:
    answerer: Answerer
    listener: socket.socket
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    closing: bool = False
    open: list[socket.socket] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))  # one for each closed connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while not self.closing:
            with suppress(OSError):
                sock, _ = self.listener.accept()
                self.connections += 1
                self.open.append(sock)
                threading.Thread(target=self.talk, args=(sock, self.connections), daemon=True).start()

    def talk(self, sock: socket.socket, number: int) -> None:
        self.converse(sock, number)
        self.ended.release()

    def converse(self, sock: socket.socket, number: int) -> None:
        received = b""
        with suppress(OSError), sock:
            while True:
                while b"\r\n\r\n" not in received:
                    data = sock.recv(65536)
                    if not data:
                        return
                    received += data
                head, _, received = received.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                parts = (re.split(r":\s*", line, maxsplit=1) for line in lines)
                headers = {name.lower(): value for name, value in parts}
                length = int(headers.get("content-length", 0))
                while len(received) < length:
                    received += sock.recv(65536)
                body, received = received[:length], received[length:]
                method, path, _ = first.split(" ")
                request = Request(method, path, headers, body, number)
                self.requests.append(request)
                said = self.answerer(request)
                if said is None:
                    return
                sock.sendall(said)


@contextmanager
def scripted(answerer: Answerer, port: int = 0) -> Iterator[Scripted]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    server = Scripted(answerer, listener)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.closing = True
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in server.open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
