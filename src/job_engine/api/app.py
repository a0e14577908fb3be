"""The server's application: the API, and whatever pages are given to it, over one record."""

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from job_engine.api import acl, groups, users
from job_engine.api.audit import Audit
from job_engine.api.audited import about, watching
from job_engine.api.changes import Changes
from job_engine.api.dispatch import PREFIX, dispatch
from job_engine.api.identity import Caller, Identities
from job_engine.api.queue import QueueView
from job_engine.api.settings import ServerSettings
from job_engine.api.state import ApiState
from job_engine.api.types import served
from job_engine.job.errors import JobEngineError
from job_engine.store import resources
from job_engine.store.cancellation import Cancellation
from job_engine.store.database import Store
from job_engine.store.executors import Executors
from job_engine.store.families import Families

Queue = Callable[[ApiState], AbstractAsyncContextManager[QueueView]]
"""What keeps the locking queue in ZooKeeper, as long as the server runs."""

log = logging.getLogger(__name__)

SERVER: Final = Caller("internal", acl.ADMIN, frozenset({acl.ADMIN}))
"""Who does what the server does by itself."""


class App:
    """An ASGI application. Its ``state`` is there while it runs, for pages and for who stops the server."""

    state: ApiState
    failure: JobEngineError | None = None
    """Why it could not start, e.g. because the record is in use."""

    def __init__(self, settings: ServerSettings, routes: Sequence[BaseRoute] = (), queue: Queue | None = None) -> None:
        self._settings = settings
        self._queue = queue
        self._pages: ASGIApp = Starlette(routes=routes, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await dispatch(self.state, scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, pages: Starlette) -> AsyncIterator[None]:
        try:
            async with open_state(self._settings) as state:
                self.state = pages.state.api = state
                if self._queue is None:
                    yield
                else:
                    async with self._queue(state) as state.queue:
                        yield
        except JobEngineError as error:
            self.failure = error
            raise


def make_app(settings: ServerSettings, routes: Sequence[BaseRoute] = (), queue: Queue | None = None) -> App:
    """The application of one server.

    Args:
        routes: pages beside the API; they find the `ApiState` as ``request.app.state.api``.
        queue: for a server of a cluster.
    """
    return App(settings, routes, queue)


@asynccontextmanager
async def open_state(settings: ServerSettings) -> AsyncIterator[ApiState]:
    """A server's parts, open until the end of the block.

    Raises:
        JobEngineError: the record cannot be opened, or a type of the settings not be served.
    """
    types = served(settings.types)
    store = Store(settings.database)
    store.start()
    try:
        changes = Changes()
        store.after_commit.append(changes.told)
        executors = Executors(store, settings.period, settings.unknown_action_grace, settings.cluster, settings.queue)
        identities = await Identities.open(store, settings.trust_authn_header)
        audit = Audit(store, settings.audit_log, settings.keep_audit)
        state = ApiState(settings, types, store, executors, identities, changes, audit)
        if unserved := await store.read(_unserved, types):
            log.warning(
                "the record has documents of types that are not served: %s; nothing happens to them until the server"
                " is started with --types or --nuvla-types",
                ", ".join(unserved),
            )
        if await store.read(users.fold_names):
            await store.write(users.fold)
        with watching(state, "user.edit", SERVER, "", f"user/{groups.ADMIN_NAME}") as watched_state:
            about(watched_state, detail=f"made {users.ADMIN_FILE}, with a new password")
            await users.first_administrator(watched_state)
        audit.start()
        await executors.start()
        families = Families(store)
        await families.start()
        cancellation = Cancellation(store)
        await cancellation.start()
        try:
            yield state
        finally:
            families.stop()
            cancellation.stop()
            state.end_waits()
            await audit.stop()
    finally:
        await store.close()


def _unserved(connection: sqlite3.Connection, types: Container[str]) -> list[str]:
    """The types of documents in the record that a server with these does not serve."""
    return [type_ for type_ in resources.types(connection) if type_ not in types]
