"""Requests that leave an event in the audit: in the same transaction as what they change, or because of a refusal."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast

from starlette.responses import Response

from job_engine.api.audit import LOCKED_OUT, REFUSED, SUCCESS, TEXT, Event
from job_engine.api.call import Call
from job_engine.api.dispatch import Handler
from job_engine.api.identity import Caller
from job_engine.api.passwords import LockedOut
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden
from job_engine.store import resources
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction

NAMED = ("user/", "credential/", "group/")
"""How ids begin of resources that have a name which says more than the id."""
EDIT_ACL = ".edit-acl"


def watched(operation: str, handler: Handler) -> Handler:
    """The handler, whose first write has an event in it; what it refuses is an event too."""

    async def audited(call: Call) -> Response:
        with watching(call.api, operation, call.caller, call.address, call.id) as call.api:
            return await handler(call)

    return audited


@contextmanager
def watching(api: ApiState, operation: str, caller: Caller, address: str, on: str) -> Iterator[ApiState]:
    """What to use instead of ``api``: the first transaction that it writes has the event in it.

    A block that raises Forbidden, or LockedOut, was refused.
    """
    watched_store = _Watched(api, Event(operation, caller.user, caller.active, address, on))
    try:
        yield replace(api, store=cast("Store", watched_store))
    except (Forbidden, LockedOut) as error:
        if watched_store.event is not None:
            api.audit.refused(watched_store.event, REFUSED if isinstance(error, Forbidden) else LOCKED_OUT)
        raise


def watching_acl(call: Call, changes: Any) -> AbstractContextManager[ApiState]:
    """What to use instead of ``call.api`` for an edit: it leaves an event if it changes who has which rights."""
    if not isinstance(changes, dict) or "acl" not in changes:
        return nullcontext(call.api)
    operation = call.id.partition("/")[0] + EDIT_ACL
    return watching(call.api, operation, call.caller, call.address, call.id)


def about(api: ApiState, *, who: str = "", on: str = "", detail: str = "") -> None:
    """Say more of what is done by this ``api``, if it is watched, before it is written."""
    store: object = api.store
    if isinstance(store, _Watched) and store.event is not None:
        event = store.event
        store.event = replace(
            event,
            who=who or event.who,
            active=who or event.active,
            on=on or event.on,
            detail=detail or event.detail,
        )


class _Watched:
    """A store whose first write has an event in it. A write that answers False has done nothing."""

    def __init__(self, api: ApiState, event: Event) -> None:
        self._api = api
        self.event: Event | None = event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api.store, name)

    async def write(self, verb: Callable[..., Any], *arguments: Any) -> Any:
        event = self.event
        if event is None:
            return await self._api.store.write(verb, *arguments)
        answer = await self._api.store.write(_with_event, self._api, event, verb, arguments)
        if answer is not False:
            self.event = None
        return answer


def _with_event(tx: Transaction, api: ApiState, event: Event, verb: Callable[..., Any], arguments: Any) -> Any:
    name, rights = _name(tx.connection, event.on), _acl(tx.connection, event)  # before it may be deleted
    answer = verb(tx, *arguments)
    if answer is not False and (rights is None or rights != _acl(tx.connection, event)):
        if isinstance(answer, str) and answer.startswith(f"{event.on}/"):  # what was added to a collection
            event = replace(event, on=answer)
        api.audit.add(tx, event, SUCCESS, (_name(tx.connection, event.who), name or _name(tx.connection, event.on)))
    return answer


def _acl(connection: sqlite3.Connection, event: Event) -> int | None:
    """The number of the ACL that is edited, for an event that there is only if it changes; None for the others."""
    if not event.operation.endswith(EDIT_ACL):
        return None
    table = "job" if event.on.startswith("job/") else "resource"
    row = connection.execute(f"select acl from {table} where id = ?", (event.on,)).fetchone()
    return None if row is None else int(row[0])


def _name(connection: sqlite3.Connection, id_: str) -> str:
    found = resources.find(connection, id_) if id_.startswith(NAMED) else None
    return "" if found is None else str(found.get("name", ""))[:TEXT]
