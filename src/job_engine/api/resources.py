"""Resources other than jobs: read, searched and deleted alike, whatever their type."""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from job_engine.api import acl, endings
from job_engine.api.call import Call, selected
from job_engine.api.collection import collection, one
from job_engine.api.declared_types import DeclaredType
from job_engine.api.identity import Caller, end_cookie
from job_engine.api.parameters import Parameters, asked
from job_engine.api.responses import Json, deleted
from job_engine.job.errors import Conflict, Forbidden, NotFound
from job_engine.store import documents, resources
from job_engine.store.columns import DIGESTS
from job_engine.store.conditions import And, Comparison
from job_engine.store.counts import Counts
from job_engine.store.matching import matches
from job_engine.store.transaction import Transaction

Document = dict[str, Any]

HIDDEN: Final[Mapping[str, frozenset[str]]] = {**DIGESTS, "user": frozenset({"login-claims"})}
"""Attributes that never leave the server, by type."""


def _operations(plain: DeclaredType | None, document: Document, rights: frozenset[str]) -> list[dict[str, str]]:
    id_, type_ = document["id"], document["resource-type"]
    found = []
    if (plain is not None or type_ in ("user", "group")) and not rights.isdisjoint(
        ("edit-acl", "edit-data", "edit-meta")
    ):
        found.append({"rel": "edit", "href": id_})
    if "delete" in rights and (
        plain is not None or type_ in ("session", "credential", "distribution", "user", "group")
    ):
        found.append({"rel": "delete", "href": id_})
    if "manage" in rights and plain is not None:
        found += [{"rel": name, "href": f"{id_}/{name}"} for name in plain.operations]
    if "manage" in rights and type_ == "distribution":
        found += [{"rel": rel, "href": f"{id_}/{rel}"} for rel in ("resume" if document["paused"] else "pause", "run")]
    if "manage" in rights and type_ == "session":
        found.append({"rel": "switch-group", "href": f"{id_}/switch-group"})
    return found


def shown(
    document: Document, caller: Caller, select: Sequence[str] | None = None, plain: DeclaredType | None = None
) -> Document:
    """A document as ``caller`` sees it; ``plain``: of this type."""
    rights = acl.rights_of(document["acl"], caller.claims, document["resource-type"])
    public = _public(document)
    if document["resource-type"] == "user":
        public["groups"] = document.get("login-claims", [])
    return one(public, rights, partial(_operations, plain), select)


def _public(document: Document) -> Document:
    hidden = HIDDEN.get(document["resource-type"], frozenset())
    return {name: value for name, value in document.items() if name not in hidden}


def find(connection: sqlite3.Connection, id_: str, caller: Caller, right: str) -> Document:
    """A document on which ``caller`` has a right.

    Raises:
        NotFound: there is none.
        Forbidden: the caller does not have the right.
    """
    return demanded(resources.find(connection, id_), id_, caller, right)


def demanded(document: Document | None, id_: str, caller: Caller, right: str) -> Document:
    """The document, if ``caller`` has a right on it; raises as `find` does."""
    if document is None:
        raise NotFound(f"{id_} not found")
    if right not in acl.rights_of(document["acl"], caller.claims, document["resource-type"]):
        raise Forbidden(f"invalid credentials for '{id_}'")
    return document


def visible(connection: sqlite3.Connection, ids: Iterable[str], caller: Caller) -> dict[str, Document]:
    """Those of the documents that there are and whose data ``caller`` may see, without ACL and operations."""
    found: dict[str, Document] = {}
    for id_ in ids:
        document = resources.find(connection, id_)
        if document is None:
            continue
        if "view-data" in acl.rights_of(document["acl"], caller.claims, document["resource-type"]):
            found[id_] = {name: value for name, value in _public(document).items() if name != "acl"}
    return found


async def get_one(call: Call, plain: DeclaredType | None = None) -> Json:
    """``GET /api/TYPE/UUID``."""
    document = await call.api.store.read(find, call.id, call.caller, "view-meta")
    return Json(shown(document, call.caller, selected(call.query) or None, plain))


async def get_many(call: Call, plain: DeclaredType | None = None) -> Json:
    """``GET /api/TYPE``, and ``PUT`` with a form."""
    acl.demand(call.caller.claims, call.id, "query", None if plain is None else plain.by)
    wanted = await asked(call)
    return Json(await call.api.search(call.caller, _search, call.id, call.caller, wanted, call.api.counts, plain))


def _search(
    connection: sqlite3.Connection,
    type_: str,
    caller: Caller,
    wanted: Parameters,
    counts: Counts,
    plain: DeclaredType | None,
) -> bytes:
    page = wanted.page(caller, type_)
    if type_ == "session":  # a query answers only the caller's own, to everybody
        own = Comparison(("id",), "=", caller.session or "")
        terms = (own,) if page.condition is None else (own, page.condition)
        page = replace(page, condition=And(terms))
    found = documents.search_resources(connection, type_, page, time.time(), counts, aggregations=wanted.aggregations)
    listed = [shown(document, caller, wanted.select, plain) for document, _ in found.documents]
    by = None if plain is None else plain.by
    return msgspec.json.encode(collection(type_, caller, found.count, listed, found.aggregations, by))


async def delete(call: Call) -> Json:
    """``DELETE /api/TYPE/UUID``; cookies of a deleted session, or of a deleted key's, are refused from now on."""
    user = await call.api.store.write(_delete, call.id, call.caller)
    if user is not None:
        call.api.identities.forget_user(user)
    if call.id.startswith("session/"):
        call.api.identities.forget(call.id)
        return deleted(call.id, (end_cookie(),))
    return deleted(call.id)


def _delete(tx: Transaction, id_: str, caller: Caller) -> str | None:
    """The user whose key it was."""
    document = resources.find(tx.connection, id_)
    if document is None or document["resource-type"] != "session" or document["user"] not in caller.claims:
        document = find(tx.connection, id_, caller, "delete")  # people may end all sessions of theirs
    if document.get("subtype") == "hashed-password":
        raise Conflict(f"{id_} is the password of {document['parent']}; change it there, or delete the user")
    if document.get("method") == "admin.toml":
        raise Conflict(
            f"{id_} is in admin.toml of the data folder; for another, remove that file and restart the server"
        )
    if document["resource-type"] != "credential":
        resources.delete(tx, id_)
        return None
    endings.end_key(tx, id_)
    return str(document["parent"])


def listed(type_: str, found: list[Document], caller: Caller, wanted: Parameters) -> Document:
    """The answer to a query of what is kept in memory only, such as executors."""
    matching = [
        document
        for document in found
        if wanted.condition is None or matches(wanted.condition, document, {}, time.time())
    ]
    page = wanted.page(caller, type_)
    part = matching[page.offset : page.offset + page.limit]
    keep = wanted.select
    if keep is not None:
        part = [{name: value for name, value in item.items() if name in ("id", *keep)} for item in part]
    return collection(type_, caller, len(matching), part)
