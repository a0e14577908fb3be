"""Jobs as their readers see them: one, or a page of a query."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from job_engine.api import acl
from job_engine.api.answers import Json
from job_engine.api.call import Call, selected
from job_engine.api.collection import collection, one, shown
from job_engine.api.identity import Caller
from job_engine.api.parameters import Parameters, asked
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden, NotFound
from job_engine.job.states import is_final
from job_engine.store import documents
from job_engine.store.counts import Counts
from job_engine.store.documents import Job

Document = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def operations_for(caller: Caller) -> "Any":
    """The operations of a job that ``caller`` may do, by the document and the rights on it."""
    admin = caller.admin

    def operations(document: Document, rights: frozenset[str]) -> list[dict[str, str]]:
        id_, state = document["id"], document["state"]
        final = is_final(state)
        found: list[dict[str, str]] = []
        if not final and not rights.isdisjoint(("edit-acl", "edit-data", "edit-meta")):
            found.append({"rel": "edit", "href": id_})
        if "delete" in rights:
            found.append({"rel": "delete", "href": id_})
        if "manage" in rights:
            found.append({"rel": "retry" if final else "cancel", "href": f"{id_}/{'retry' if final else 'cancel'}"})
        if admin:
            if state == "RUNNING":
                found.append({"rel": "timeout", "href": f"{id_}/timeout"})
            found.append({"rel": "get-context", "href": f"{id_}/get-context"})
        return found

    return operations


async def get(api: ApiState, caller: Caller, id_: str, select: Sequence[str] | None = None) -> Document:
    """One job's document, with operations.

    Raises:
        NotFound: there is none.
        Forbidden: the caller does not see it.
    """
    job, rights = await readable(api, caller, id_, "view-meta")
    return one(job.document, rights, operations_for(caller), select)


async def readable(api: ApiState, caller: Caller, id_: str, right: str = "view-data") -> tuple[Job, frozenset[str]]:
    """A job on which ``caller`` has ``right``, and all rights on it; raises as `get` does."""
    job = await api.store.read(documents.job, id_)
    return demanded(job, id_, caller, right)


def demanded(job: Job | None, id_: str, caller: Caller, *rights: str) -> tuple[Job, frozenset[str]]:
    """The job and the caller's rights on it, one of ``rights`` among them; raises as `get` does."""
    if job is None:
        raise NotFound(f"{id_} not found")
    has = acl.rights(job.acl, caller.claims)
    if has.isdisjoint(rights):
        raise Forbidden(f"invalid credentials for '{id_}'")
    return job, has


async def search(api: ApiState, caller: Caller, wanted: Parameters) -> Document:
    """The answer to a query of jobs.

    Raises:
        Forbidden: the caller may not ask.
        Invalid: the filter compares an attribute with what it can never be.
    """
    acl.demand(caller.claims, "job", "query")
    return await api.search(_search, caller, wanted, api.counts)


def _search(connection: sqlite3.Connection, caller: Caller, wanted: Parameters, counts: Counts) -> Document:
    found = documents.search_jobs(
        connection, wanted.page(caller), time.time(), counts, select=wanted.select, aggregations=wanted.aggregations
    )
    resources = shown(found.documents, caller, operations_for(caller), wanted.select)
    return collection("job", caller, found.count, resources, found.aggregations)


def _searched(connection: sqlite3.Connection, caller: Caller, wanted: Parameters, counts: Counts) -> bytes:
    return _encode(_search(connection, caller, wanted, counts))


async def get_one(call: Call) -> Json:
    """``GET /api/job/UUID``."""
    return Json(await get(call.api, call.caller, call.id, selected(call.query) or None))


async def get_many(call: Call) -> Json:
    """``GET /api/job``, and ``PUT`` with a form."""
    acl.demand(call.caller.claims, "job", "query")
    wanted = await asked(call)
    return Json(await call.api.search(_searched, call.caller, wanted, call.api.counts))
