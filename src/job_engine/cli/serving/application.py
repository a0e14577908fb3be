"""The application of an API server under uvicorn."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config, Server

from job_engine.api.app import App, make_app
from job_engine.api.bounds import bounded
from job_engine.api.connections import Connections
from job_engine.api.queue import QueueView
from job_engine.api.settings import ServerSettings
from job_engine.api.state import ApiState
from job_engine.api.transport import over_tls
from job_engine.dashboard import routes
from job_engine.exit_codes import ORPHANED
from job_engine.job.errors import JobEngineError

if TYPE_CHECKING:
    from job_engine.queue import ZooKeeper

STOPPED_WITHIN: Final = 3
"""Seconds that requests in flight may take when the server stops; those that are parked are answered at once."""
KEPT_ALIVE: Final = 75
"""Seconds that an idle connection is kept: longer than clients keep theirs, so that they are the ones who close."""
TICK: Final = 1.0
"""Seconds between two looks at the clock for the Date header; uvicorn's own loop takes ten a second."""
MANY_FILES: Final = 1 << 20
"""Descriptors of a process that may have any number."""
ORPHAN: Final = 5.0
"""Seconds after its parent's death until a server that does not end is ended by force."""


def _queue(zookeeper: "ZooKeeper", state: ApiState) -> AbstractAsyncContextManager[QueueView]:
    """The relay, and what is shown of the queue."""
    from job_engine.relay import open_relay  # kazoo is of no use to a server that has no ZooKeeper

    return open_relay(zookeeper, state.store, state.executors)


class Serving:
    """One server, until a signal or the death of its parent.

    Args:
        tls: how to serve https; None: http is served.
    """

    def __init__(
        self, settings: ServerSettings, zookeeper: "ZooKeeper | None" = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._app = make_app(settings, routes(), None if zookeeper is None else partial(_queue, zookeeper))
        self._start = _Start(self._app if tls is None else over_tls(self._app))
        connections = Connections(open_files())
        config = Config(
            self._start,
            loop="uvloop",
            http=bounded(connections, tls),
            ws="none",
            lifespan="on",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # else x-forwarded-for would forge an address whose nuvla-authn-info is trusted
            log_config=None,
            timeout_keep_alive=KEPT_ALIVE,
            timeout_graceful_shutdown=STOPPED_WITHIN,
        )
        config.load()
        self._uvicorn = _Uvicorn(config, self._app, connections)

    def run(self, listening: socket.socket, ready: Callable[[], None]) -> None:
        """Serves; for the main thread.

        Args:
            ready: called once it serves.

        Raises:
            JobEngineError: the record cannot be opened.
        """
        self._uvicorn.ready = ready
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # uvicorn stops at them, and raises them again when it has stopped
        try:
            self._uvicorn.run(sockets=[listening])
        except SystemExit:  # so uvicorn says that the application could not start
            if self._start.failure is None:
                raise
            raise self._start.failure from None

    def orphaned(self) -> None:
        """Ends the server, whose parent has died; for any thread."""
        self._uvicorn.leave()
        force = threading.Timer(ORPHAN, os._exit, (ORPHANED,))
        force.daemon = True
        force.start()


class _Uvicorn(Server):
    def __init__(self, config: Config, app: App, connections: Connections) -> None:
        super().__init__(config)
        self._app = app
        self._connections = connections
        self._leaving = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ready: Callable[[], None] = lambda: None

    def leave(self) -> None:
        """Stop serving; for any thread, and for signal handlers."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leaving.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.leave()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), TICK)

    async def on_tick(self, counter: int) -> bool:
        self._connections.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.end_waits()  # else whoever is parked would hold up the end
        await super().shutdown(sockets)


def open_files() -> int:
    """How many descriptors this process may have: as many as its hard limit says, from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS grants less than its hard limit says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return MANY_FILES if soft == resource.RLIM_INFINITY else soft


class _Start:
    """Keeps why the application could not start; uvicorn would print its traceback, and exit as if for a fault."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: JobEngineError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def without_traceback(message: Message) -> None:
            if message["type"] != "lifespan.startup.failed":
                await send(message)

        try:
            await self._app(scope, receive, without_traceback)
        except JobEngineError as error:
            self.failure = error
            logging.getLogger("uvicorn.error").disabled = True
            failed: dict[str, Any] = {"type": "lifespan.startup.failed", "message": ""}
            await send(failed)
