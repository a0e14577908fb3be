"""Adding jobs: one, many, and a final one again."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from job_engine.api import acl, named_jobs, submitting
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.api.responses import Json, created
from job_engine.api.settings import Quota
from job_engine.api.state import ApiState
from job_engine.job.attributes import JOB_ID, checked
from job_engine.job.document import NewJob, new_id, new_job
from job_engine.job.errors import Invalid
from job_engine.job.nodes import MANY_LIMIT
from job_engine.store import jobs

MANY: Final = 10_000
"""Jobs that one add may have, so that its transaction keeps nobody waiting for more than a moment."""
WAITED_FOR: Final = 50_000
"""Jobs that those of one add may wait for, together: each is a row, and they take less than half a second."""
IN_THREAD: Final = 100
"""Jobs from which they are checked beside the event loop: about 2 ms of it."""
KEY_LIMIT: Final = 255
"""Characters of an ``Idempotency-Key``."""

_PLACE = re.compile(r"#\d{1,5}", re.ASCII)


async def add(api: ApiState, caller: Caller, document: Any, key: str | None = None) -> str:
    """Add one job; its id, once it is on disk.

    Args:
        key: the caller's name for this add: a repetition answers the same job.

    Raises:
        Forbidden: the caller may not add jobs, or not name one that the document names.
        Invalid: the document is not a job.
    """
    demand_adding(caller)
    job = checked_job(caller, document, time.time(), api.settings.quota)
    await named_jobs.demand_beside(api, caller, [document])
    added = await _write(api, caller, (job,), scoped(caller, key))
    return added[0]


async def add_many(api: ApiState, caller: Caller, documents: list[Any], key: str | None = None) -> list[str]:
    """Add jobs, all or none; their ids.

    Raises:
        Invalid: one of them is not a job; the message names its index.
        Conflict: one is not to be added while another is active.
    """
    found = await checked_many(caller, documents, api.settings.quota)
    for n, job in enumerate(found):
        if isinstance(job, Invalid):
            raise Invalid(f"job {n} of {len(documents)}: {job.message}", job.attribute)
    name = scoped(caller, key)
    await named_jobs.demand_beside(api, caller, documents)
    return await _write(api, caller, found, name) if found or name is not None else []


async def add_each(api: ApiState, caller: Caller, documents: list[Any], key: str | None = None) -> dict[str, Any]:
    """Add those of the jobs that can be added; see `answer_of_each`."""
    quota = api.settings.quota
    found = await checked_each(caller, documents, quota)
    new = [job for job in found if isinstance(job, NewJob)]
    await named_jobs.demand_beside(api, caller, documents)
    return answer_of_each(found, await api.store.write(submitting.add_each, caller, quota, new, scoped(caller, key)))


async def _write(api: ApiState, caller: Caller, found: Sequence[Any], key: str | None) -> list[str]:
    if caller.admin:
        return await api.store.write(jobs.add, found, key)
    return await api.store.write(submitting.add, caller, api.settings.quota, found, key)


def demand_adding(caller: Caller) -> None:
    """Raises Forbidden unless ``caller`` may add jobs of some kind."""
    if caller.job is None:  # an action may add children of its job
        acl.demand(caller.claims, "job", "add")


def answer_of_each(found: Sequence[NewJob | Invalid], added: jobs.Added) -> dict[str, Any]:
    """What an add of jobs that fail alone is answered: the ids, and what became of each element."""
    outcomes: list[dict[str, Any]] = []
    if added.repeated:
        outcomes = [{"status": 201, "resource-id": id_} for id_ in added.ids]
    else:
        places = {job.id: n for n, job in enumerate(found) if isinstance(job, NewJob)}
        place = 0  # among those that the record was given
        for job in found:
            if isinstance(job, Invalid):
                outcomes.append({"status": 400, "message": job.message})
                continue
            refusal = added.refused.get(place)
            place += 1
            if refusal is None:
                outcomes.append({"status": 201, "resource-id": job.id})
            elif isinstance(refusal.error, Invalid):
                outcomes.append({"status": 400, "message": _with_places(refusal.error.message, places)})
            else:
                active = {} if refusal.active is None else {"resource-id": refusal.active}
                outcomes.append({"status": 409, "message": refusal.error.message, **active})
    number = len(added.ids)
    return {
        "status": 201,
        "message": f"{number} of {len(outcomes)} jobs created",
        "resource-ids": added.ids,
        "jobs": outcomes,
        "repeated": added.repeated,
    }


def _with_places(message: str, places: Mapping[str, int]) -> str:
    """``message`` with ``#N`` for the id of a job that was not added, and that nobody has seen."""
    return JOB_ID.sub(lambda id_: f"#{places[id_[0]]}" if id_[0] in places else id_[0], message)


async def post(call: Call) -> Json:
    """``POST /api/job[?partial=true]``: a document, or an array of them."""
    demand_adding(call.caller)  # before the body is looked at
    key = call.headers.get(b"idempotency-key")
    name = None if key is None else key.decode("latin-1")
    document = await call.json(MANY_LIMIT)
    if type(document) is list:
        if call.flag("partial"):
            return Json(await add_each(call.api, call.caller, document, name), 201)
        ids = await add_many(call.api, call.caller, document, name)
        return Json({"status": 201, "message": f"{len(ids)} jobs created", "resource-ids": ids}, 201)
    return created(await add(call.api, call.caller, document, name))


async def checked_many(caller: Caller, documents: list[Any], quota: Quota) -> list[NewJob | Invalid]:
    """The jobs that ``caller`` asks for, or what is wrong with one.

    Raises:
        Forbidden: the caller may not add jobs.
        Invalid: they are too many.
    """
    demand_adding(caller)
    if len(documents) > MANY:
        raise Invalid(f"{len(documents)} jobs are too many for one add, which may have {MANY}")
    waited_for = sum(map(_waits_for, documents))
    if waited_for > WAITED_FOR:
        raise Invalid(
            f"attribute 'after' has {waited_for} jobs in this add, and {WAITED_FOR} is the limit: add them in parts, or"
            " have some wait for one job that waits for many",
            "after",
        )
    if len(documents) < IN_THREAD:
        return _checked_jobs(caller, documents, quota)
    return await asyncio.to_thread(_checked_jobs, caller, documents, quota)


def _waits_for(document: Any) -> int:
    after = document.get("after") if type(document) is dict else None
    return len(after) if type(after) is list else 0


async def checked_each(caller: Caller, documents: list[Any], quota: Quota) -> list[NewJob | Invalid]:
    """As `checked_many`, for adds of which jobs may fail alone; their only key is the one of the request."""
    keyed = Invalid("attribute 'idempotency-key': give a key to the whole request here", "idempotency-key")
    return [
        keyed if isinstance(job, NewJob) and job.key is not None else job
        for job in await checked_many(caller, documents, quota)
    ]


def checked_job(caller: Caller, document: Any, now: float, quota: Quota, id_: str | None = None) -> NewJob:
    """The job that ``caller`` asks for.

    Raises:
        Forbidden: the caller may not add one of this kind.
        Invalid: the document is not a job.
    """
    administrator = caller.admin
    if not administrator:
        document = submitting.own(caller, document)
    sent = document.get("acl") if type(document) is dict else None
    rights = acl.owned_by(caller.active) if sent is None else acl.normal(checked("acl", sent))
    job = new_job(document, created_by=caller.maker, acl=rights, now=now, id_=id_)
    if not administrator:
        submitting.demand_action(caller, job, quota)
    return job


def _checked_jobs(caller: Caller, documents: list[Any], quota: Quota) -> list[NewJob | Invalid]:
    now = time.time()
    ids = [new_id() for _ in documents]
    found: list[NewJob | Invalid] = []
    for id_, document in zip(ids, documents, strict=True):
        try:
            if type(document) is dict and "after" in document:
                document = {**document, "after": _resolved(document["after"], found)}
            found.append(checked_job(caller, document, now, quota, id_))
        except Invalid as error:
            found.append(error)
    return found


def _resolved(after: Any, before: Sequence[NewJob | Invalid]) -> Any:
    """The attribute ``after`` with ids for ``#N``, the jobs of the same array; only those ``before`` it, so that no
    two wait for each other."""
    if type(after) is not list:
        return after
    resolved = []
    for item in after:
        if type(item) is str and item.startswith("#"):
            place = int(item[1:]) if _PLACE.fullmatch(item) else MANY
            job = before[place] if place < len(before) else None
            wrong = "attribute 'after' does not satisfy defined schema: "
            if job is None:
                raise Invalid(f"{wrong}{item[:20]!r} is no job before this one in the array", "after")
            if isinstance(job, Invalid):
                raise Invalid(f"{wrong}{item} was not added", "after")
            if job.key is not None:
                raise Invalid(f"{wrong}{item} has an idempotency-key of its own; give one to the request", "after")
            item = job.id
        resolved.append(item)
    return resolved


def scoped(caller: Caller, key: str | None) -> str | None:
    """The name of an add in the record: keys are the caller's own, so another caller may use the same.

    Raises:
        Invalid: it cannot be a key.
    """
    if key is None:
        return None
    if not 0 < len(key) <= KEY_LIMIT or not key.isprintable():
        raise Invalid(f"the idempotency key is not a text of 1 to {KEY_LIMIT} printable characters")
    return f"{caller.active} {key}"
