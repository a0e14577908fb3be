"""Changes of jobs that clients ask for. Each is one verb: it reads, checks the rights and writes in one transaction."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from job_engine.api import acl, connections, named_jobs, patch, resources, submitting, tokens
from job_engine.api.audited import watching_acl
from job_engine.api.call import Call, selected
from job_engine.api.collection import one
from job_engine.api.connections import Rank
from job_engine.api.identity import COOKIE, Caller
from job_engine.api.job_views import Secrets, demanded, operations_for, readable, veil
from job_engine.api.jobs import scoped
from job_engine.api.responses import Json, created, deleted
from job_engine.api.settings import Quota
from job_engine.api.state import ApiState
from job_engine.job.attributes import ATTRIBUTES, checked
from job_engine.job.bulk import is_bulk, own_tags
from job_engine.job.document import LAST_PRIORITY, PROMOTED, NewJob, new_job
from job_engine.job.errors import Conflict, Forbidden, Invalid
from job_engine.job.states import State, is_final
from job_engine.store import documents, jobs, usage
from job_engine.store.documents import Job, Row
from job_engine.store.transaction import Transaction

Document = dict[str, Any]
Changes = dict[str, Any]
"""New values by attribute; None: the attribute is deleted."""
Edited = tuple[Job, frozenset[str]]
"""A job after an edit, and the caller's rights on it."""

NOT_RETRIED: Final = frozenset({"idempotency-key", "created-by", "after", "after-failure", "unless-active"})
"""Attributes that say how a job came to be, which is no matter of one that does it again."""
CHILDREN_PRIORITY: Final = 10
"""Priority of the job that cancels a bulk job's children (contract, section 6)."""

REQUIRED: Final = frozenset({"state", "action", "progress", "execution-mode", "version"})
BY_ADMIN: Final = frozenset({"action", "target-resource", "priority", "created-by", "retries", "timeout"})
"""Immutable attributes that an administrator may change all the same."""
_EDITS: Final = ("edit-acl", "edit-data", "edit-meta")


# --------------------------------------------------------------------------------------------------------------- edit


async def put(call: Call) -> Json:
    """``PUT /api/job/UUID``: a merge, or a JSON patch; the new document, without operations."""
    if not call.caller.admin:  # rights before values, and values before work; an administrator has them all
        demanded(await call.api.store.read(documents.job, call.id), call.id, call.caller, *_EDITS)
    body = await call.json()
    hold = held_by(call)
    if call.headers.get(b"content-type", b"").lower() == patch.MEDIA_TYPE:
        job, rights = await patch.unraced(call.id, lambda: _patch(call, body, hold))
    else:
        # who sends back what was read, with its id, says nothing by what is unchanged in it
        begins = isinstance(body, dict) and body.get("state") == State.RUNNING and "id" not in body
        changes = merged(body, selected(call.query))
        with watching_acl(call, changes) as api:
            edited = await api.store.write(_edit, call.id, call.caller, api.settings.quota, changes, hold, begins)
        assert edited is not None
        job, rights = edited
    document = veil(job.document, rights, call.api.executors.secrets, False)
    return Json(one(document, rights, lambda document, rights: [], None))


async def _patch(call: Call, patches: Any, hold: int | None) -> Edited | None:
    """Make a patch on a reader, because who sends it chooses what it costs, and write what it changes; None if the job
    has changed meanwhile."""
    secrets = call.api.executors.secrets
    seen, changes = await call.api.search(call.caller, _patched, call.id, call.caller, patches, secrets)
    with watching_acl(call, changes) as api:
        return await api.store.write(_edit, call.id, call.caller, api.settings.quota, changes, hold, False, seen)


def _patched(
    connection: sqlite3.Connection, id_: str, caller: Caller, patches: Any, secrets: Secrets
) -> tuple[Row, Changes]:
    row = documents.row(connection, id_)
    job, rights = demanded(documents.of_row(row), id_, caller, *_EDITS)
    assert row is not None
    return row, patched(acl.view(veil(job.document, rights, secrets, False), rights), patches)


def merged(body: Any, select: Sequence[str]) -> Changes:
    """The changes that a merge asks for: the attributes in ``select`` that the body lacks are deleted.

    Raises:
        Invalid: an attribute is unknown, or cannot have its value.
    """
    if not isinstance(body, dict):
        raise Invalid("the body is not a JSON object")
    changes: Changes = {name: _editable(name, value) for name, value in body.items() if _is_editable(name)}
    for name in select:
        if name not in body and name in ATTRIBUTES and _is_editable(name) and name != "acl":
            changes[name] = LAST_PRIORITY if name == "priority" else None
    return changes


def patched(document: Document, patches: Any) -> Changes:
    """The changes that a JSON patch makes to ``document``; raises as `merged` does."""
    result = patch.apply(document, patches)
    new = {name: value for name, value in result.items() if name not in document or document[name] != value}
    return merged(new, [name for name in document if name not in result])


def _is_editable(name: str) -> bool:
    attribute = ATTRIBUTES.get(name)
    return attribute is None or attribute.at_edit or name in BY_ADMIN


def _editable(name: str, value: Any) -> Any:
    if value is None:
        raise Invalid(f"attribute {name!r} does not satisfy defined schema: it must not be null", name)
    result = checked(name, value)
    return acl.normal(result) if name == "acl" else result


def _edit(
    tx: Transaction,
    id_: str,
    caller: Caller,
    quota: Quota,
    changes: Changes,
    hold: int | None,
    begins: bool,
    seen: Row | None = None,
) -> Edited | None:
    """Change a job as its caller may; the job then, and the caller's rights on it.

    Args:
        hold: the claim in the request's ``Job-Hold``.
        begins: the caller says by RUNNING that it now runs the job, which counts though the job may be RUNNING already.
        seen: the job on which the changes were made; if it is another by now, nothing is done, and the answer is None.

    Raises:
        NotFound: there is none.
        Forbidden: the caller may not edit it, or not name its new parent.
        Conflict: it is final, or held by somebody else, or its maker's jobs would have too many bytes.
        Invalid: it would lack what a job needs.
    """
    row = documents.row(tx.connection, id_)
    if seen is not None and row is not None and row != seen:
        return None
    job, rights = demanded(documents.of_row(row), id_, caller, *_EDITS)
    allowed = {
        name: value
        for name, value in changes.items()
        if _allowed(name, rights, caller.admin) and (job.document.get(name) != value or (begins and name == "state"))
    }
    if allowed.get("acl") is not None:
        submitting.demand_owners(caller, allowed["acl"]["owners"], msgspec.json.decode(job.acl)["owners"])
    if missing := sorted(name for name in allowed if allowed[name] is None and name in REQUIRED):
        raise Invalid(f"attribute {missing[0]!r} does not satisfy defined schema: a job needs one", missing[0])
    if allowed:
        named_jobs.demand(tx.connection, caller, [allowed])
        allowed["updated-by"] = caller.user
    before = 0 if caller.admin else usage.size(tx, [id_])
    jobs.edit(tx, job.seq, allowed, hold)
    if not caller.admin:
        submitting.demand_job_bytes(tx, job.document["created-by"], quota, [id_], before)
    edited = documents.job(tx.connection, id_)
    return edited or job, rights


def _allowed(name: str, rights: frozenset[str], admin: bool) -> bool:
    """Whether an edit with ``rights`` may touch an attribute; if not, it is ignored."""
    if name in BY_ADMIN and not admin:
        return False
    if "edit-acl" in rights:
        return True
    if "edit-data" in rights:
        return name != "acl"
    return name in acl.METADATA


def held_by(call: Call) -> int | None:
    """The claim in ``Job-Hold: job/UUID N``, if the header is about this job.

    Raises:
        Invalid: the header has another form.
    """
    header = call.headers.get(b"job-hold")
    if header is None:
        return None
    id_, _, number = header.decode("latin-1").partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) < 20):
        raise Invalid(f"the header Job-Hold is not of the form job/UUID N: {header[:100].decode('latin-1')!r}")
    return int(number) if id_ == call.id else None


def _check_hold(job: Job, hold: int | None) -> None:
    if hold is not None and (job.holder is None or job.claim != hold):
        raise Conflict(f"conflict with {job.document['id']}: claim {hold} does not hold it any more")


# ------------------------------------------------------------------------------------------------------------- delete


async def delete(call: Call) -> Json:
    """``DELETE /api/job/UUID``."""
    await call.api.store.write(_delete, call.id, call.caller, held_by(call))
    return deleted(call.id)


def _delete(tx: Transaction, id_: str, caller: Caller, hold: int | None) -> None:
    job, _ = demanded(documents.standing(tx.connection, id_), id_, caller, "delete")
    _check_hold(job, hold)
    jobs.delete(tx, [job.seq])


# --------------------------------------------------------------------------------------------------------- operations


async def cancel(api: ApiState, caller: Caller, id_: str, hold: int | None = None) -> Document:
    """Cancel a job that is not final; its document.

    Raises:
        NotFound: there is none.
        Forbidden: the caller may not, or it is final.
    """
    await api.store.write(_cancel, id_, caller, hold)
    return await _managed(api, caller, id_)


async def _managed(api: ApiState, caller: Caller, id_: str) -> Document:
    job, rights = await readable(api, caller, id_, "manage")
    return one(veil(job.document, rights, api.executors.secrets, False), rights, operations_for(caller), None)


def _cancel(tx: Transaction, id_: str, caller: Caller, hold: int | None) -> None:
    job, _ = demanded(documents.standing(tx.connection, id_), id_, caller, "manage")
    if is_final(job.document["state"]):
        raise Forbidden(f"invalid credentials for '{id_}': it is {job.document['state']}, so it cannot be canceled")
    _check_hold(job, hold)
    jobs.cancel(tx, [job.seq], f"by {caller.user}")
    if is_bulk(job.document["action"]):
        sent = {
            "action": "cancel_children_jobs",
            "target-resource": {"href": id_},
            "priority": CHILDREN_PRIORITY,
        }
        jobs.add(tx, [new_job(sent, created_by=caller.maker, acl=msgspec.json.decode(job.acl), now=tx.now)])


def _timeout(tx: Transaction, id_: str, caller: Caller) -> None:
    job, _ = demanded(documents.standing(tx.connection, id_), id_, caller, "manage")
    if not caller.admin or job.document["state"] != "RUNNING":
        raise Forbidden(f"invalid credentials for '{id_}'")
    jobs.cancel(tx, [job.seq], f"timed out, by {caller.user}")


async def retry(api: ApiState, caller: Caller, id_: str, key: str | None = None) -> str:
    """Add the job again that a final job was; the new one's id.

    Raises:
        NotFound: there is none.
        Forbidden: the caller may not manage it.
        Conflict: it is not final.
    """
    name = scoped(caller, key)
    again = await api.search(caller, _again, id_, caller)  # made beside the writer: the job may be large
    return await api.store.write(_retry, id_, caller, api.settings.quota, again, name)


def _again(connection: sqlite3.Connection, id_: str, caller: Caller) -> NewJob:
    """The job that a final one is when it is added again; nothing changes a final job."""
    job, _ = demanded(documents.job(connection, id_), id_, caller, "manage")
    if not is_final(job.document["state"]):
        raise Conflict(f"conflict with {id_}: it is {job.document['state']}; only a final job can be retried")
    kept = {
        name: value
        for name, value in job.document.items()
        if (name not in PROMOTED or name in ("action", "priority", "execution-mode", "tags", "parent-job"))
        and ATTRIBUTES[name].at_add
        and name not in NOT_RETRIED
    }
    if tags := own_tags(kept.pop("tags", ())):
        kept["tags"] = tags
    sent = {**kept, "retry-of": id_}
    return new_job(sent, created_by=caller.maker, acl=msgspec.json.decode(job.acl), now=time.time())


def _retry(tx: Transaction, id_: str, caller: Caller, quota: Quota, again: NewJob, key: str | None) -> str:
    demanded(documents.standing(tx.connection, id_), id_, caller, "manage")
    if again.parent is not None and not _may_be_child(tx, caller, again.parent):
        again = msgspec.structs.replace(again, parent=None)  # it is on its own
    return submitting.add(tx, caller, quota, [again], key)[0]


def _may_be_child(tx: Transaction, caller: Caller, parent: str) -> bool:
    """Whether a job that is retried becomes a child of the same parent: not if that family was canceled, and so gets no
    more children, nor if it is none of the caller's."""
    try:
        named_jobs.demand(tx.connection, caller, [{"parent-job": parent}])
    except Forbidden:
        return False
    return not jobs.canceled_families(tx, [parent])


async def post_cancel(call: Call) -> Json:
    """``POST /api/job/UUID/cancel``."""
    return Json(await cancel(call.api, call.caller, call.id, held_by(call)))


async def post_timeout(call: Call) -> Json:
    """``POST /api/job/UUID/timeout``."""
    await call.api.store.write(_timeout, call.id, call.caller)
    return Json(await _managed(call.api, call.caller, call.id))


async def post_retry(call: Call) -> Json:
    """``POST /api/job/UUID/retry``."""
    key = call.headers.get(b"idempotency-key")
    return created(await retry(call.api, call.caller, call.id, None if key is None else key.decode("latin-1")))


async def post_context(call: Call) -> Json:
    """``POST /api/job/UUID/get-context``: the documents that its action needs, by id: those that it affects."""
    job, _ = demanded(await call.api.store.read(documents.job, call.id), call.id, call.caller, "manage")
    own = call.caller.job == call.id  # the job whose action asks
    if not (call.caller.admin or own or call.caller.active.startswith("nuvlabox/")):
        raise Forbidden(f"invalid credentials for '{call.id}'")
    ids = [resource["href"] for resource in job.document.get("affected-resources", ())]
    return Json(await call.api.search(call.caller, resources.visible, ids, call.caller))


async def post_token(call: Call) -> Json:
    """``POST /api/job/UUID/token`` by who has the number of its hold, in ``Job-Hold``: the token of its action.

    Nothing else is asked for: only the executor that holds the job and the process of the action know the number, and
    that process shall not know the executor's credentials.
    """
    call.demand_certificate()
    hold = held_by(call)
    job = await call.api.store.read(documents.job, call.id)
    if job is None or hold is None or not tokens.held(job, hold):
        raise Forbidden(f"invalid credentials for '{call.id}': no attempt with this Job-Hold runs")
    connections.rank(call.scope, Rank.EXECUTOR)
    return Json({"cookie": f"{COOKIE}={call.api.identities.token(call.id, hold)}"})
