"""The jobs that another one names: its parent, those that it waits for, the one that it repeats.

What becomes of a job is told to those that name it, and a cancel of a bulk job reaches its children. So a job may be
named only by who may see and manage it.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from job_engine.api import acl
from job_engine.api.identity import Caller
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden
from job_engine.store import documents

NAMING: Final = ("parent-job", "after", "retry-of")
NEEDED: Final = frozenset({"view-data", "manage"})
IN_THREAD: Final = 100
"""Documents from which their names are gathered beside the event loop."""
FEW: Final = 1000
"""Jobs whose rights are looked at within a few milliseconds: as many as one document may name."""


async def demand_beside(api: ApiState, caller: Caller, sent: Sequence[Any]) -> None:
    """`demand` on a reader, for many documents; administrators may name every job, and do not wait for the look, and
    neither does who names none. Many names are a search, of which a caller makes few at a time."""
    if caller.admin:
        return
    named = _named(sent) if len(sent) < IN_THREAD else await asyncio.to_thread(_named, sent)
    if len(named) > FEW:
        await api.search(caller, _demand, caller, named)
    elif named:
        await api.store.read(_demand, caller, named)


def demand(connection: sqlite3.Connection, caller: Caller, sent: Sequence[Any]) -> None:
    """See that ``caller`` may name the jobs that documents name. What is no job's id is not looked at, and neither is
    a job that there is not.

    Raises:
        Forbidden: the caller may not see one of them, or not manage it.
    """
    if not caller.admin and (named := _named(sent)):
        _demand(connection, caller, named)


def _named(sent: Sequence[Any]) -> dict[str, str]:
    """The jobs that documents name, and in which attribute."""
    named: dict[str, str] = {}
    for document in sent:
        if isinstance(document, Mapping):
            for attribute in NAMING:
                value = document.get(attribute)
                ids = value if isinstance(value, list) else [value]
                named |= {id_: attribute for id_ in ids if isinstance(id_, str)}
    return named


def _demand(connection: sqlite3.Connection, caller: Caller, named: Mapping[str, str]) -> None:
    for id_, text in documents.acls(connection, list(named)):
        if not acl.rights(text, caller.claims) >= NEEDED:
            raise Forbidden(
                f"invalid credentials for '{id_}': to name it in {named[id_]}, you need the rights view-data and manage"
                " on it"
            )
