"""The jobs that another one names: its parent, those that it waits for, the one that it repeats.

What becomes of a job is told to those that name it, and a cancel of a bulk job reaches its children. So a job may be
named only by who may see and manage it.
"""

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


async def demand_beside(api: ApiState, caller: Caller, sent: Sequence[Any]) -> None:
    """`demand` on a reader, for many documents; administrators may name every job, and do not wait for the look."""
    if not caller.admin:
        await api.store.read(demand, caller, sent)


def demand(connection: sqlite3.Connection, caller: Caller, sent: Sequence[Any]) -> None:
    """See that ``caller`` may name the jobs that documents name. What is no job's id is not looked at, and neither is
    a job that there is not.

    Raises:
        Forbidden: the caller may not see one of them, or not manage it.
    """
    named: dict[str, str] = {}
    for document in sent:
        if isinstance(document, Mapping):
            for attribute in NAMING:
                value = document.get(attribute)
                ids = value if isinstance(value, list) else [value]
                named |= {id_: attribute for id_ in ids if isinstance(id_, str)}
    if caller.admin or not named:
        return
    for id_, text in documents.acls(connection, list(named)):
        if not acl.rights(text, caller.claims) >= NEEDED:
            raise Forbidden(
                f"invalid credentials for '{id_}': to name it in {named[id_]}, you need the rights view-data and manage"
                " on it"
            )
