"""Redis as Debian ships it: on a free port of this machine, in a temporary folder, with its default durability or with
every command on disk before it is answered."""

import socket
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from kit.processes import BenchError, Processes, wait_for

ANSWER_WITHIN = 5.0
"""Seconds until Redis must answer, at its start and to a command."""


class RedisServer:
    """A running server; a `kit.peer.Queue`.

    Args:
        durable: with an append-only file that is synced with every command.
    """

    def __init__(self, processes: Processes, folder: Path, *, durable: bool = False) -> None:
        folder = folder / ("redis-durable" if durable else "redis")
        folder.mkdir()
        self.durable = durable
        how = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""] if durable else []
        program = which("redis-server")
        if program is None:
            raise BenchError("the peers need Redis: apt-get install redis-server")
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = processes.start(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), *how], env={}
        )
        wait_for(self._connect, ANSWER_WITHIN, "redis-server")

    def clear(self) -> None:
        """Remove everything."""
        self.ask("FLUSHALL")

    def left(self, unfinished: Sequence[str]) -> int:
        """How many jobs are not finished: the sum of what these commands answer."""
        return sum(self.ask(command) for command in unfinished)

    def ask(self, command: str) -> int:
        """Sends a command of one line whose answer is a number, or OK (0).

        Raises:
            BenchError: Redis refused it.
        """
        self._socket.sendall(command.encode() + b"\r\n")
        answer = self._answers.readline().decode().strip()
        if answer.startswith(":"):
            return int(answer[1:])
        if answer != "+OK":
            raise BenchError(f"redis answered {command!r} with {answer!r}")
        return 0

    def _connect(self) -> bool:
        try:
            self._socket = socket.create_connection(("127.0.0.1", self.port), ANSWER_WITHIN)
        except OSError:
            return False
        self._answers = self._socket.makefile("rb")
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
