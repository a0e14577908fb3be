"""Adding jobs: one, many, and a final one again."""

import asyncio
import time
from typing import Any, Final

from job_engine.api import acl
from job_engine.api.answers import Json, created
from job_engine.api.call import Call
from job_engine.api.identity import Caller
from job_engine.api.state import ApiState
from job_engine.job.attributes import checked
from job_engine.job.document import NewJob, new_job
from job_engine.job.errors import Invalid
from job_engine.store import jobs

MANY: Final = 10_000
"""Jobs that one add may have, so that its transaction keeps nobody waiting for more than a moment."""
IN_THREAD: Final = 100
"""Jobs from which they are checked beside the event loop: about 2 ms of it."""
KEY_LIMIT: Final = 255
"""Characters of an ``Idempotency-Key``."""


async def add(api: ApiState, caller: Caller, document: Any, key: str | None = None) -> str:
    """Add one job; its id, once it is on disk.

    Args:
        key: the caller's name for this add: a repetition answers the same job.

    Raises:
        Forbidden: the caller may not add jobs.
        Invalid: the document is not a job.
    """
    acl.demand(caller.claims, "job", "add")
    added = await api.store.write(jobs.add, (checked_job(caller, document, time.time()),), scoped(caller, key))
    return added[0]


async def add_many(api: ApiState, caller: Caller, documents: list[Any], key: str | None = None) -> list[str]:
    """Add jobs, all or none; their ids.

    Raises:
        Invalid: one of them is not a job; the message names its index.
    """
    acl.demand(caller.claims, "job", "add")
    if len(documents) > MANY:
        raise Invalid(f"{len(documents)} jobs are too many for one add, which may have {MANY}")
    if len(documents) < IN_THREAD:
        new = _checked_jobs(caller, documents)
    else:
        new = await asyncio.to_thread(_checked_jobs, caller, documents)
    return await api.store.write(jobs.add, new, scoped(caller, key)) if new else []


async def post(call: Call) -> Json:
    """``POST /api/job``: a document, or an array of them."""
    acl.demand(call.caller.claims, "job", "add")  # before the body is looked at
    key = call.headers.get(b"idempotency-key")
    name = None if key is None else key.decode("latin-1")
    document = await call.json()
    if type(document) is list:
        ids = await add_many(call.api, call.caller, document, name)
        return Json({"status": 201, "message": f"{len(ids)} jobs created", "resource-ids": ids}, 201)
    return created(await add(call.api, call.caller, document, name))


def checked_job(caller: Caller, document: Any, now: float) -> NewJob:
    """The job that ``caller`` asks for.

    Raises:
        Invalid: the document is not a job.
    """
    sent = document.get("acl") if type(document) is dict else None
    rights = acl.owned_by(caller.active) if sent is None else acl.normal(checked("acl", sent))
    return new_job(document, created_by=caller.user, acl=rights, now=now)


def _checked_jobs(caller: Caller, documents: list[Any]) -> list[NewJob]:
    now = time.time()
    new = []
    for index, document in enumerate(documents):
        try:
            new.append(checked_job(caller, document, now))
        except Invalid as error:
            raise Invalid(f"job {index} of {len(documents)}: {error.message}", error.attribute) from None
    return new


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
