"""Changes of jobs that clients ask for. Each is one verb: it reads, checks the rights and writes in one transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from job_engine.api import acl, patch, resources
from job_engine.api.answers import Json, created, deleted
from job_engine.api.call import Call, selected
from job_engine.api.collection import one
from job_engine.api.identity import Caller
from job_engine.api.job_views import demanded, operations_for
from job_engine.api.jobs import scoped
from job_engine.api.state import ApiState
from job_engine.job.attributes import ATTRIBUTES, checked
from job_engine.job.bulk import is_bulk, own_tags
from job_engine.job.document import LAST_PRIORITY, PROMOTED, new_job
from job_engine.job.errors import Conflict, Forbidden, Invalid
from job_engine.job.states import State, is_final
from job_engine.store import documents, jobs
from job_engine.store.documents import Job
from job_engine.store.transaction import Transaction

Document = dict[str, Any]
Changes = dict[str, Any]
"""New values by attribute; None: the attribute is deleted."""

PATCH: Final = b"application/json-patch+json"
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
    """``PUT /api/job/UUID``: a merge, or a JSON patch."""
    body = await call.json()
    # who sends back what was read, with its id, says nothing by what is unchanged in it
    begins = isinstance(body, dict) and body.get("state") == State.RUNNING and "id" not in body
    if call.headers.get(b"content-type", b"").lower() == PATCH:
        changes: Callable[[Document], Changes] = partial(patched, patches=body)
    else:
        merge = merged(body, selected(call.query))
        changes = partial(_whatever, merge)
    return Json(await edit(call.api, call.caller, call.id, changes, held_by(call), begins=begins))


async def edit(
    api: ApiState,
    caller: Caller,
    id_: str,
    changes: Callable[[Document], Changes],
    hold: int | None = None,
    *,
    begins: bool = False,
) -> Document:
    """Edit a job; its new document, without operations.

    Args:
        changes: what changes, by the document as the caller sees it.
        hold: the claim in the request's ``Job-Hold``.
        begins: the caller says by RUNNING that it now runs the job, which counts though the job may be RUNNING already.

    Raises:
        NotFound: there is none.
        Forbidden: the caller may not edit it.
        Conflict: it is final, or held by somebody else.
        Invalid: an attribute cannot have its value.
    """
    job, rights = await api.store.write(_edit, id_, caller, changes, hold, begins)
    return one(job.document, rights, lambda document, rights: [], None)


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


def _whatever(changes: Changes, document: Document) -> Changes:
    """A merge's changes, whatever the document is."""
    return changes


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
    changes: Callable[[Document], Changes],
    hold: int | None,
    begins: bool,
) -> tuple[Job, frozenset[str]]:
    job, rights = demanded(documents.job(tx.connection, id_), id_, caller, *_EDITS)
    allowed = {
        name: value
        for name, value in changes(acl.view(job.document, rights)).items()
        if _allowed(name, rights, caller.admin) and (job.document.get(name) != value or (begins and name == "state"))
    }
    if missing := sorted(name for name in allowed if allowed[name] is None and name in REQUIRED):
        raise Invalid(f"attribute {missing[0]!r} does not satisfy defined schema: a job needs one", missing[0])
    if allowed:
        allowed["updated-by"] = caller.user
    jobs.edit(tx, job.seq, allowed, hold)
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
    job, _ = demanded(documents.job(tx.connection, id_), id_, caller, "delete")
    _check_hold(job, hold)
    jobs.delete(tx, [job.seq])


# --------------------------------------------------------------------------------------------------------- operations


async def cancel(api: ApiState, caller: Caller, id_: str, hold: int | None = None) -> Document:
    """Cancel a job that is not final; its document.

    Raises:
        NotFound: there is none.
        Forbidden: the caller may not, or it is final.
    """
    job, rights = await api.store.write(_cancel, id_, caller, hold)
    return one(job.document, rights, operations_for(caller), None)


def _cancel(tx: Transaction, id_: str, caller: Caller, hold: int | None) -> tuple[Job, frozenset[str]]:
    job, rights = demanded(documents.job(tx.connection, id_), id_, caller, "manage")
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
        jobs.add(tx, [new_job(sent, created_by=caller.user, acl=msgspec.json.decode(job.acl), now=tx.now)])
    return documents.job(tx.connection, id_) or job, rights


def _timeout(tx: Transaction, id_: str, caller: Caller) -> tuple[Job, frozenset[str]]:
    job, rights = demanded(documents.job(tx.connection, id_), id_, caller, "manage")
    if not caller.admin or job.document["state"] != "RUNNING":
        raise Forbidden(f"invalid credentials for '{id_}'")
    jobs.cancel(tx, [job.seq], f"timed out, by {caller.user}")
    return documents.job(tx.connection, id_) or job, rights


async def retry(api: ApiState, caller: Caller, id_: str, key: str | None = None) -> str:
    """Add the job again that a final job was; the new one's id.

    Raises:
        NotFound: there is none.
        Forbidden: the caller may not manage it.
        Conflict: it is not final.
    """
    return await api.store.write(_retry, id_, caller, scoped(caller, key))


def _retry(tx: Transaction, id_: str, caller: Caller, key: str | None) -> str:
    job, _ = demanded(documents.job(tx.connection, id_), id_, caller, "manage")
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
    if (parent := kept.get("parent-job")) is not None and jobs.canceled_families(tx, [parent]):
        del kept["parent-job"]  # a family that was canceled gets no more children: this one is on its own
    again = new_job({**kept, "retry-of": id_}, created_by=caller.user, acl=msgspec.json.decode(job.acl), now=tx.now)
    return jobs.add(tx, [again], key)[0]


async def post_cancel(call: Call) -> Json:
    """``POST /api/job/UUID/cancel``."""
    return Json(await cancel(call.api, call.caller, call.id, held_by(call)))


async def post_timeout(call: Call) -> Json:
    """``POST /api/job/UUID/timeout``."""
    job, rights = await call.api.store.write(_timeout, call.id, call.caller)
    return Json(one(job.document, rights, operations_for(call.caller), None))


async def post_retry(call: Call) -> Json:
    """``POST /api/job/UUID/retry``."""
    key = call.headers.get(b"idempotency-key")
    return created(await retry(call.api, call.caller, call.id, None if key is None else key.decode("latin-1")))


async def post_context(call: Call) -> Json:
    """``POST /api/job/UUID/get-context``: the documents that its action needs, by id: those that it affects."""
    job, _ = demanded(await call.api.store.read(documents.job, call.id), call.id, call.caller, "manage")
    if not (call.caller.admin or call.caller.active.startswith("nuvlabox/")):
        raise Forbidden(f"invalid credentials for '{call.id}'")
    ids = [resource["href"] for resource in job.document.get("affected-resources", ())]
    return Json(await call.api.store.read(resources.visible, ids, call.caller))
