"""Jobs as their readers see them: one, or a page of a query."""

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from job_engine.api import acl
from job_engine.api.call import Call, selected
from job_engine.api.collection import collection, one, shown
from job_engine.api.identity import Caller
from job_engine.api.parameters import Parameters, asked
from job_engine.api.responses import Json
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden, NotFound
from job_engine.job.secret import masked, masked_result
from job_engine.job.states import is_final
from job_engine.store import documents
from job_engine.store.conditions import And, Comparison
from job_engine.store.counts import Counts
from job_engine.store.documents import Job

Document = dict[str, Any]
Secrets = Mapping[str, Collection[str]]
"""By action, the arguments and results that it declares secret."""

VEILED: Final = frozenset({"payload", "result"})
"""Attributes that secrets may be in."""
CLEAR: Final = ("edit-acl", "edit-data")
"""Rights of which one lets somebody read secret arguments, as it does the log."""
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


def veil(document: Document, rights: frozenset[str], secrets: Secrets, hide: bool) -> Document:
    """The document of a job, without what its action declares secret in arguments and result if ``hide`` says so, or if
    these rights do not let anybody change it. Who runs a job needs them."""
    secret = secrets.get(document.get("action", ""))
    if secret and (hide or rights.isdisjoint(CLEAR)):
        if "result" in document:
            document["result"] = masked_result(document["result"], document.get("payload"), secret)
        if "payload" in document:
            document["payload"] = masked(document["payload"], secret)
    return document


def hides(call: Call) -> bool:
    """Whether a request asks by ``secrets=mask`` for documents that can be shown."""
    return call.first("secrets") == "mask"


async def get(
    api: ApiState, caller: Caller, id_: str, select: Sequence[str] | None = None, *, hide: bool = False
) -> Document:
    """One job's document, with operations.

    Raises:
        NotFound: there is none.
        Forbidden: the caller does not see it.
    """
    job, rights = await readable(api, caller, id_, "view-meta")
    return one(veil(job.document, rights, api.executors.secrets, hide), rights, operations_for(caller), select)


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


def _search(
    connection: sqlite3.Connection, caller: Caller, wanted: Parameters, counts: Counts, secrets: Secrets, hide: bool
) -> bytes:
    select, page = wanted.select, wanted.page(caller, "job")
    if secrets and select is not None and not VEILED.isdisjoint(select):
        select = (*select, "action", "payload")  # which say what of the result is secret
    if secrets and not caller.admin and not VEILED.isdisjoint(wanted.heads):
        # else who does not see a secret could guess it piece by piece
        others = tuple(Comparison(("action",), "!=", action) for action in sorted(secrets))
        page = replace(page, condition=And((*([page.condition] if page.condition is not None else ()), *others)))
    found = documents.search_jobs(
        connection, page, time.time(), counts, select=select, aggregations=wanted.aggregations
    )
    if secrets:
        for document, text in found.documents:
            veil(document, acl.rights(text, caller.claims), secrets, hide)
    resources = shown(found.documents, caller, operations_for(caller), wanted.select)
    return _encode(collection("job", caller, found.count, resources, found.aggregations))


async def get_one(call: Call) -> Json:
    """``GET /api/job/UUID``."""
    return Json(await get(call.api, call.caller, call.id, selected(call.query) or None, hide=hides(call)))


async def get_many(call: Call) -> Json:
    """``GET /api/job``, and ``PUT`` with a form."""
    acl.demand(call.caller.claims, "job", "query")
    wanted = await asked(call)
    secrets = {action: names for action, names in call.api.executors.secrets.items() if names}
    return Json(await call.api.search(call.caller, _search, call.caller, wanted, call.api.counts, secrets, hides(call)))
