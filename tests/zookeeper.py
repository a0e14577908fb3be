"""Throw-away ZooKeeper servers, and a TCP proxy that breaks on purpose. Needs Java and Debian's `libzookeeper-java`."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests import zookeeper_old
from tests.certificates import Certificates

CLASSPATH = "/usr/share/java/zookeeper.jar:/usr/share/java/*"
NEW, OLD = "3.8", "3.4"
"""The version of Debian's package, and the one that Nuvla deploys, which has fewer operations."""
TICK = 200
"""Milliseconds; a session timeout is 2 to 20 of them, so tests of its end take a second."""
PATIENCE = 30.0
"""Seconds after which a condition that a test waits for has failed."""
STEP = 0.01
CHUNK = 65536


def available() -> bool:
    """Whether this machine can run a ZooKeeper."""
    return Path("/usr/share/java/zookeeper.jar").exists() and shutil.which("java") is not None


def eventually(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait for a condition; fails with its name."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true in {PATIENCE:.0f} s"
        pause.wait(STEP)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """One server, alone or of an ensemble."""

    def __init__(
        self,
        tick: int = TICK,
        extra: str = "",
        number: int = 0,
        port: int = 0,
        jvm: Sequence[str] = (),
        version: str = NEW,
    ) -> None:
        """``extra`` are further lines of its configuration, ``jvm`` further arguments of Java."""
        self.jvm = jvm
        self.version = version
        self.folder = Path(tempfile.mkdtemp(prefix="job-engine-zookeeper-"))
        self.port = port or free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.number = number
        self.config = self.folder / "zoo.cfg"
        self.config.write_text(
            f"tickTime={tick}\ndataDir={self.folder}/data\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
            f"admin.enableServer=false\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n{extra}\n"
        )

    def spawn(self) -> None:
        """Start without waiting."""
        assert available(), "needs Java and Debian's package libzookeeper-java: ./dev test installs both"
        classpath = f"{zookeeper_old.make()}/*" if self.version == OLD else CLASSPATH
        (self.folder / "data").mkdir(exist_ok=True)
        if self.number:
            (self.folder / "data" / "myid").write_text(str(self.number))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx200m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.forceSync=no",
                 *self.jvm, "-cp", classpath, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.config)],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def start(self) -> "Server":
        self.spawn()
        eventually(self.serves, "ZooKeeper serving")
        return self

    def serves(self) -> bool:
        """`ruok` would say so before it is true."""
        return "Mode:" in self.ask("srvr")

    def ask(self, word: str) -> str:
        """A four-letter word's answer; empty when there is none."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as connection:
            connection.settimeout(2)
            connection.sendall(word.encode())
            return b"".join(iter(lambda: connection.recv(CHUNK), b"")).decode()
        return ""

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def server(
    tick: int = TICK, extra: str = "", jvm: Sequence[str] = (), version: str = NEW, port: int = 0
) -> Iterator[Server]:
    """One server for a while."""
    one = Server(tick, extra, jvm=jvm, version=version, port=port)
    try:
        yield one.start()
    finally:
        one.remove()


@contextlib.contextmanager
def tls_server(files: Certificates, *, client: str = "need") -> Iterator[str]:
    """One server for a while that speaks TLS, at this address.

    Args:
        client: ``need`` for clients with a certificate, ``none`` for all.
    """
    port = free_port()
    extra = (
        f"secureClientPort={port}\nserverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n"
        f"ssl.clientAuth={client}\nssl.keyStore.location={files.server}\nssl.keyStore.type=PEM\n"
        f"ssl.trustStore.location={files.authority}\nssl.trustStore.type=PEM"
    )
    with server(extra=extra):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def ensemble(
    tick: int = TICK,
    sync_limit: int = 10,
    links: Callable[[int, int], int] | None = None,
    versions: Sequence[str] = (NEW, NEW, NEW),
) -> Iterator[list[Server]]:
    """Three servers. ``links(i, port)`` gives the port by which server 1 reaches server i's quorum port."""
    ports = [(free_port(), free_port(), free_port()) for _ in range(3)]

    def extra(me: int) -> str:
        quorum = [links(i, port) if links and me == 0 else port for i, (port, _, _) in enumerate(ports)]
        lines = [f"server.{i + 1}=127.0.0.1:{quorum[i]}:{ports[i][1]}" for i in range(3)]
        return "\n".join([f"initLimit=50\nsyncLimit={sync_limit}", *lines])

    servers = [Server(tick, extra(i), number=i + 1, port=ports[i][2], version=versions[i]) for i in range(3)]
    try:
        servers[2].spawn()  # with its neighbour it has a quorum, and the highest number leads
        servers[1].spawn()
        eventually(lambda: "Mode: leader" in servers[2].ask("srvr"), "a leader")
        servers[0].spawn()
        eventually(servers[0].serves, "the third server")
        yield servers
    finally:
        for one in servers:
            one.remove()


class Proxy:
    """Passes bytes on, until told otherwise: `hold` (a network that hangs) or `eat` (bytes vanish), each way."""

    def __init__(self, port: int) -> None:
        self.up = self.down = "pass"
        self.refuse = False
        self.port = 0
        self._target = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._moved = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.host = f"127.0.0.1:{self.port}"
        self.seen: list[bytes] = []  # what was eaten of the answers
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, *, up: str | None = None, down: str | None = None, refuse: bool | None = None) -> None:
        with self._moved:
            self.up, self.down = up or self.up, down or self.down
            self.refuse = self.refuse if refuse is None else refuse
            self._moved.notify_all()

    def cut(self) -> None:
        """Close every connection."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _shut(pair)

    def close(self) -> None:
        self._listener.close()
        self.set(up="pass", down="pass")
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    if self.refuse:
                        raise ConnectionRefusedError
                    upstream = socket.create_connection(("127.0.0.1", self._target), 2)
                except OSError:
                    client.close()
                    continue
                upstream.settimeout(None)
                for end in (client, upstream):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs.append((client, upstream))
                for pair, way in (((client, upstream), "up"), ((upstream, client), "down")):
                    threading.Thread(target=self._pump, args=(*pair, way), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                with self._moved:
                    self._moved.wait_for(lambda: getattr(self, way) != "hold")
                if getattr(self, way) == "pass":
                    sink.sendall(data)
                else:
                    self.seen.append(data)
        with self._moved:  # a network that hangs does not tell of a close either
            self._moved.wait_for(lambda: getattr(self, way) != "hold")
        _shut((source, sink))


def _shut(pair: Sequence[socket.socket]) -> None:
    for end in pair:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
