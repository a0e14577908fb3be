"""The three parts of an engine on one machine, as child processes: server, executor and distributor.

The distributor is a process of its own, although it mostly sleeps: it runs what people wrote, and nothing of that may
hold up the executor's heartbeat or die with it.
"""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from job_engine.cli.options.secrets import FROM_SYSTEMD
from job_engine.cli.processes.child import Child
from job_engine.cli.processes.folder import EXECUTOR, RECORD
from job_engine.cli.serving.listening import address_of, local_url
from job_engine.cli.serving.tls import ServerTls
from job_engine.client.discovery import Found
from job_engine.client.endpoint import Credentials
from job_engine.client.tls import Tls

NAMING: Final = ("JOB_ENGINE_API_", "JOB_ENGINE_PROFILE", "JOB_ENGINE_ZK_", FROM_SYSTEMD)
"""How the variables begin that name another engine, or credentials for it."""


class Parts:
    """Server, executor and distributor of a data folder; not started yet.

    They see the end of this process, however it ends, as the end of a pipe.

    Args:
        listening: the socket that the server serves.
        tls: what it serves https with; None: it serves http.
        server: further arguments of the server.
        executor: further arguments of the executor.
        distributor: further arguments of the distributor.
        log_level: of what all log.
        say: prints a line for the user.
    """

    def __init__(
        self,
        folder: Path,
        listening: socket.socket,
        tls: ServerTls | None = None,
        *,
        server: Sequence[str] = (),
        executor: Sequence[str],
        distributor: Sequence[str] = (),
        log_level: str,
        say: Callable[[str], None],
    ) -> None:
        host, port = address_of(listening)
        self.url = local_url(host, port, tls=tls is not None)
        pinned = None if tls is None else tls.certificate
        self.place = Found(self.url, Credentials(), Tls(pinned=pinned))  # for who is not known yet
        # One pipe each: whether reading it blocks is a setting that all who share it have in common.
        self._alive = {"server": os.pipe(), "executor": os.pipe(), "distributor": os.pipe()}
        watched = {part: reading for part, (reading, _) in self._alive.items()}
        logged = ["--log-level", log_level]
        served = ["--database", f"sqlite:///{folder / RECORD}", "--host", host, "--port", str(port)]
        if tls is not None:
            files = {"--tls-cert": tls.certificate, "--tls-key": tls.key, "--tls-client-ca": tls.client_ca}
            served += [part for flag, file in files.items() if file is not None for part in (flag, file)]
        placed = ["--data", str(folder), "--run-dir", str(folder / EXECUTOR)]
        self.server = Child(
            "server",
            [
                "server",
                "--parent-fd",
                str(watched["server"]),
                *logged,
                *served,
                "--fd",
                str(listening.fileno()),
                "--unknown-action-grace",
                "0",
                *server,
            ],
            [watched["server"], listening.fileno()],
            say,
        )
        self.executor = Child(
            "executor",
            ["executor", "--parent-fd", str(watched["executor"]), *logged, *placed, *executor],
            [watched["executor"]],
            say,
            _naming(folder),
        )
        self.distributor = Child(
            "distributor",
            [
                *("distributor", "--parent-fd", str(watched["distributor"]), *logged),
                *("--data", str(folder), *distributor),
            ],
            [watched["distributor"]],
            say,
            _naming(folder),
        )

    def end(self) -> None:
        """Ends what still runs."""
        self.distributor.end()
        self.executor.end()
        self.server.end()
        for pipe in self._alive.values():
            for end in pipe:
                os.close(end)


def _naming(folder: Path) -> dict[str, str]:
    """Our environment, but naming the engine of ``folder``: the executor and its actions work for that one."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(NAMING)}
    return environ | {"JOB_ENGINE_DATA": str(folder)}
