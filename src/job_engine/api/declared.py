"""Documents of declared types: added, edited and deleted; operations on them add jobs."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uuid_utils import uuid7

from job_engine.api import acl, named_jobs, patch, resources, submitting
from job_engine.api.audited import watching_acl
from job_engine.api.call import Call, selected
from job_engine.api.declared_types import DeclaredType
from job_engine.api.filter import parse
from job_engine.api.identity import Caller, may_act_by_get
from job_engine.api.resources import Document, demanded, shown
from job_engine.api.responses import Json, Refused, created
from job_engine.api.settings import Quota
from job_engine.job.attributes import checked
from job_engine.job.document import LAST_PRIORITY, new_job
from job_engine.job.errors import Forbidden, Invalid, NotFound
from job_engine.job.times import iso
from job_engine.store import resources as stored
from job_engine.store.resources import Row
from job_engine.store.transaction import Transaction

SERVICES: Final = frozenset({"id", "resource-type", "created", "updated", "created-by", "updated-by", "operations"})
"""Attributes that the service controls: what a client sends of them is ignored."""
PRIORITY: Final = 50
"""Of a job that an operation adds; `LAST_PRIORITY` if its body says ``low-priority`` (contract, section 6)."""
_EDITS: Final = frozenset({"edit-acl", "edit-data", "edit-meta"})


async def post(type_: DeclaredType, call: Call) -> Json:
    """``POST /api/TYPE``."""
    acl.demand(call.caller.claims, call.id, "add", type_.by)
    sent = _object(await call.json())
    id_, at = f"{call.id}/{uuid7()}", iso(time.time())
    document = {name: value for name, value in sent.items() if name not in SERVICES and value is not None}
    if type_.schema is not None:
        await asyncio.to_thread(_check, type_, document)
    given = document.get("acl")
    document |= {
        "id": id_,
        "resource-type": call.id,
        "created": at,
        "updated": at,
        "created-by": call.caller.maker,
        "acl": acl.owned_by(call.caller.active) if given is None else acl.normal(checked("acl", given)),
    }
    await call.api.store.write(submitting.add_document, call.caller, call.api.settings.quota, document)
    return created(id_)


async def put(type_: DeclaredType, call: Call) -> Json:
    """``PUT /api/TYPE/UUID``: a merge, or a JSON patch."""
    _editable(await call.api.store.read(stored.find, call.id), call.id, call.caller)  # rights before values
    body = await call.json()
    if call.headers.get(b"content-type", b"").lower() == patch.MEDIA_TYPE:
        document = await patch.unraced(call.id, lambda: _edit_beside(call, type_, partial(_patched, patches=body)))
    else:
        sent, select = _object(body), selected(call.query)
        merge: Document = {name: None for name in select if name != "acl"} | sent
        if type_.schema is None:
            edited = await _write(call, merge)
            assert edited is not None
            document = edited
        else:
            document = await patch.unraced(call.id, lambda: _edit_beside(call, type_, lambda _: merge))
    return Json(shown(document, call.caller, plain=type_))


async def _edit_beside(call: Call, type_: DeclaredType, make: Callable[[Document], Document]) -> Document | None:
    """Make an edit on a reader, because who sends it chooses what it costs, and write it; None if the document has
    changed meanwhile.

    Args:
        make: the new values of a document, by attribute, from what the caller sees of it.
    """
    seen, changes = await call.api.search(call.caller, _made, call.id, call.caller, type_, make)
    return await _write(call, changes, seen)


async def _write(call: Call, changes: Document, seen: Row | None = None) -> Document | None:
    with watching_acl(call, changes) as api:
        edited: Document | None = await api.store.write(_edit, call.id, call.caller, api.settings.quota, changes, seen)
    return edited


def _made(
    connection: sqlite3.Connection, id_: str, caller: Caller, type_: DeclaredType, make: Callable[[Document], Document]
) -> tuple[Row, Document]:
    seen = stored.row(connection, id_)
    document = _editable(stored.of_row(seen), id_, caller)
    assert seen is not None
    changes = make(acl.view(document, acl.rights_of(document["acl"], caller.claims, type_.name)))
    edited = {**document, **_allowed(document, caller, changes)}
    _check(type_, {name: value for name, value in edited.items() if value is not None})
    return seen, changes


def _patched(document: Document, patches: Any) -> Document:
    result = patch.apply(document, patches)
    return {name: None for name in document if name not in result} | result


def _check(type_: DeclaredType, document: Document) -> None:
    """Raises Invalid if what clients choose of a document is not as its type's schema has it."""
    if type_.schema is not None:
        type_.schema.check({name: value for name, value in document.items() if name not in (*SERVICES, "acl")})


async def operate(type_: DeclaredType, call: Call) -> Json:
    """``POST /api/TYPE/UUID/OPERATION``: 202, and a job on the document is added.

    By GET too, as some operations are called at Nuvla; but a link on a page of somebody else does nothing, see
    `may_act_by_get`.
    """
    if call.scope["method"] == "HEAD":
        raise Refused(405, f"invalid method (head) for {call.id}", ((b"allow", b"GET, POST"),))
    if call.scope["method"] == "GET" and not may_act_by_get(call.headers):
        raise Forbidden(f"invalid credentials for '{call.id}': a browser may have followed a foreign link; use POST")
    await call.api.store.read(resources.find, call.id, call.caller, "manage")
    body = await call.json()
    sent: Document = {} if body is None else _object(body)
    operation = call.scope["path"].rpartition("/")[2]
    location = await call.api.store.write(
        _operate, call.id, call.caller, call.api.settings.quota, type_.operations[operation], sent
    )
    uuid = call.id.partition("/")[2]
    answer = {"status": 202, "message": f"{operation} {uuid} with async {location}", "resource-id": call.id}
    return Json({**answer, "location": location}, 202, ((b"location", location.encode()),))


async def operate_on_many(type_: DeclaredType, call: Call) -> Json:
    """``PATCH /api/TYPE/OPERATION`` with the header ``bulk`` and a filter: 202, and a bulk job is added."""
    operation = call.id.partition("/")[2]
    if operation not in type_.bulk:
        raise NotFound(f"undefined action ({operation}) for {type_.name}")
    acl.demand(call.caller.claims, type_.name, "bulk-action", type_.by)
    if b"bulk" not in call.headers:
        raise Invalid("Bulk request should contain bulk http header.")
    sent = _object(await call.json())
    condition = sent.get("filter")
    if not isinstance(condition, str) or not condition.strip():
        raise Invalid("Bulk request should contain a non empty cimi filter.")
    parse(condition)
    caller = call.caller
    # the action asks as the caller, whatever the body says of that
    identity = {"user-id": caller.user, "active-claim": caller.active, "claims": sorted(caller.claims)}
    job = {
        "action": type_.bulk[operation],
        "target-resource": {"href": type_.name},
        "priority": LAST_PRIORITY if sent.get("low-priority") is True else PRIORITY,
        "payload": {**sent, "authn-info": identity},
    }
    rights = {"owners": [acl.ADMIN], "view-acl": [caller.active], "manage": [caller.active]}
    location = await call.api.store.write(_add, job, caller, call.api.settings.quota, rights)
    answer = {"status": 202, "message": f"{operation} {type_.name} with async {location}", "resource-id": type_.name}
    return Json({**answer, "location": location}, 202, ((b"location", location.encode()),))


def _add(tx: Transaction, job: Document, caller: Caller, quota: Quota, rights: acl.Acl) -> str:
    new = new_job(job, created_by=caller.maker, acl=acl.normal(rights), now=tx.now)
    return submitting.add(tx, caller, quota, [new], None)[0]


def _object(body: Any) -> Document:
    if not isinstance(body, dict):
        raise Invalid("the body is not a JSON object")
    return body


def _editable(document: Document | None, id_: str, caller: Caller) -> Document:
    """The document, if ``caller`` may edit it."""
    document = demanded(document, id_, caller, "view-meta")
    if not acl.rights_of(document["acl"], caller.claims, document["resource-type"]) & _EDITS:
        raise Forbidden(f"invalid credentials for '{id_}'")
    return document


def _edit(
    tx: Transaction, id_: str, caller: Caller, quota: Quota, wanted: Document, seen: Row | None = None
) -> Document | None:
    """Change a document as its caller may; the document then.

    Args:
        seen: what the changes were made on; when it is another by now, nothing is done, and the answer is None.
    """
    row = stored.row(tx.connection, id_)
    if seen is not None and row is not None and row != seen:
        return None
    document = _editable(stored.of_row(row), id_, caller)
    allowed = _allowed(document, caller, wanted)
    if "acl" in allowed:
        allowed["acl"] = acl.normal(checked("acl", allowed["acl"]))
    changed = stored.change(tx, id_, {**allowed, "updated-by": caller.user})
    submitting.demand_bytes(tx, caller, quota, changed)
    return changed


def _allowed(document: Document, caller: Caller, wanted: Document) -> Document:
    """Those of the wanted changes that ``caller`` may make; the others are ignored."""
    rights = acl.rights_of(document["acl"], caller.claims, document["resource-type"])
    own = SERVICES if "edit-acl" in rights else {*SERVICES, "acl"}
    every = not rights.isdisjoint(("edit-acl", "edit-data"))
    return {name: value for name, value in wanted.items() if name not in own and (every or name in acl.METADATA)}


def _operate(tx: Transaction, id_: str, caller: Caller, quota: Quota, action: str, sent: Document) -> str:
    resources.find(tx.connection, id_, caller, "manage")
    job: Document = {
        "action": action,
        "target-resource": {"href": id_},
        "priority": LAST_PRIORITY if sent.get("low-priority") is True else PRIORITY,
    }
    if "parent-job" in sent:
        job["parent-job"] = sent["parent-job"]
        named_jobs.demand(tx.connection, caller, [job])
    return _add(tx, job, caller, quota, {"owners": [acl.ADMIN]})
