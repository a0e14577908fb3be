"""One ZooKeeper server, as Debian ships it: on a free port of this machine, each write on disk before its answer."""

import socket
from contextlib import suppress
from pathlib import Path

from kit.processes import BenchError, Processes, wait_for

JAR = Path("/usr/share/java/zookeeper.jar")
SERVES_WITHIN = 60.0
TICK = 2.0
"""Seconds; the default of its documentation. A session may end so much later than its timeout."""
HEAP = "3g"
"""Java's memory: a million entries take about 1 GB."""


class ZooKeeperServer:
    """A running server."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        if not JAR.exists():
            raise BenchError("needs ZooKeeper: apt-get install libzookeeper-java default-jre-headless")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.host = f"127.0.0.1:{self.port}"
        config = folder / "zoo.cfg"
        config.write_text(
            f"tickTime={TICK * 1000:g}\ndataDir={folder}/zookeeper\n"
            f"clientPort={self.port}\nclientPortAddress=127.0.0.1\n"
            "admin.enableServer=false\nmaxClientCnxns=0\n4lw.commands.whitelist=srvr\n"
        )
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        self.process = processes.start(["java", f"-Xmx{HEAP}", "-cp", f"{JAR}:{JAR.parent}/*", main, config], env={})
        wait_for(lambda: processes.alive(self.process) and self._serves(), SERVES_WITHIN, "ZooKeeper")

    def _serves(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as connection:
            connection.sendall(b"srvr")
            return b"Mode:" in b"".join(iter(lambda: connection.recv(4096), b""))
        return False
