"""Following jobs: their history, log and explanation, a long-poll for one, a stream of changes for all."""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from job_engine.api import acl
from job_engine.api.call import Call, selected
from job_engine.api.collection import one
from job_engine.api.explain import AHEAD, NEEDED_BY, NEEDS, Facts
from job_engine.api.explain import explain as explained
from job_engine.api.identity import Caller
from job_engine.api.job_views import demanded, hides, operations_for, readable, veil
from job_engine.api.responses import Json
from job_engine.api.state import ApiState
from job_engine.job.errors import Forbidden, Invalid
from job_engine.job.states import State, is_final
from job_engine.job.times import iso
from job_engine.store import documents
from job_engine.store.documents import Job

Document = dict[str, Any]

WAIT: Final = 20.0
"""Seconds that a long-poll is parked at most: below what proxies and clients take for a dead connection."""
LINES: Final = 1000
"""Lines of log in one answer."""
PACE: Final = 0.3
"""Seconds between two messages of a stream, for the eyes of a person."""
PULSE: Final = 15.0
"""Seconds after which a silent stream shows that it is alive."""
SHOWN: Final = ("id", "state", "progress", "action", "updated")
"""What a stream says of a job."""

LOG_READERS: Final = ("edit-acl", "edit-data", acl.VIEW_LOG)
"""Rights of which one lets somebody read the log: it holds what libraries say, secrets included."""
_CURSOR = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)


async def explain(api: ApiState, caller: Caller, id_: str) -> Document:
    """Why a job is where it is; raises as `job_views.get` does."""
    alive = [(executor, executor.hello) for executor in api.executors.present if executor.hello is not None]
    abilities = [frozenset(hello.actions) for _, hello in alive]
    job, events, ahead, entry, (needs, needed), (needed_by, needed_by_count) = await api.store.read(
        _facts, id_, caller, abilities
    )
    action = job.document["action"]
    holder = next((executor for executor, _ in alive if job.holder in (executor.id, executor.member)), None)
    able = [(executor, hello.slots) for executor, hello in alive if action in hello.actions]
    facts = Facts(
        job.document,
        job.holder,
        job.claimed,
        events,
        ahead,
        [executor.id for executor, _ in able],
        len(alive),
        time.time(),
        slots=sum(slots for _, slots in able),
        busy=sum(min(executor.holds, slots) for executor, slots in able),
        needs=needs,
        needed=needed,
        needed_by=needed_by,
        needed_by_count=needed_by_count,
        fails_at=api.executors.fails_at(action),
        failed_imports=api.executors.failed_imports,
        admin=caller.admin,
        cluster=api.settings.cluster,
        connected=api.queue is None or api.queue.status()["zookeeper"] == "connected",
        entry=entry,
        runs_on=None if holder is None else (holder.id, holder.name if caller.admin else holder.public_name),
    )
    return explained(facts)


def _facts(
    connection: sqlite3.Connection, id_: str, caller: Caller, abilities: Sequence[frozenset[str]]
) -> tuple[Job, list[Document], int, str | None, tuple[list[tuple[str, str | None]], int], tuple[list[str], int]]:
    job, _ = demanded(documents.job(connection, id_), id_, caller, "view-data")
    action, ahead = job.document["action"], 0
    if job.document["state"] == State.QUEUED:
        competing = frozenset().union(*(actions for actions in abilities if action in actions)) or {action}
        ahead = documents.ready_ahead(connection, job, competing, AHEAD)
    claims = None if caller.admin else sorted(caller.claims)
    entry, waited_for = documents.entry(connection, job.seq), documents.waited_for(connection, job.seq, NEEDS, claims)
    needed_by = documents.waiting_for(connection, job.seq, NEEDED_BY, claims)
    return job, documents.events(connection, job), ahead, entry, waited_for, needed_by


async def events(api: ApiState, caller: Caller, id_: str) -> list[Document]:
    """The history of a job, oldest first: ``at, kind, attempt, executor, detail``; raises as `job_views.get` does."""
    return await api.store.read(_events, id_, caller)


def _events(connection: sqlite3.Connection, id_: str, caller: Caller) -> list[Document]:
    job, _ = demanded(documents.job(connection, id_), id_, caller, "view-data")
    return documents.events(connection, job)


def _log(
    connection: sqlite3.Connection, id_: str, caller: Caller, place: tuple[int, int], last: int | None
) -> tuple[str, list[Document]]:
    """The state of a job, and lines of its log as `documents.log` finds them; raises as `job_views.get` does."""
    job, rights = demanded(documents.job(connection, id_), id_, caller, "view-data")
    if rights.isdisjoint(LOG_READERS):
        raise Forbidden(f"the log of {id_} is for those who may edit the job: ask its owner")
    return job.document["state"], documents.log(connection, job.seq, place, LINES, last)


def _place(cursor: str | None) -> tuple[int, int]:
    """The attempt and number of the line that a cursor names; None: before all."""
    match = _CURSOR.fullmatch(cursor) if cursor else None
    if cursor and match is None:
        raise Invalid(f"after={cursor[:60]!r} is not a cursor such as 1.42 (attempt and number of a line)")
    return (int(match[1]), int(match[2])) if match else (0, 0)


async def wait(
    api: ApiState, caller: Caller, id_: str, seconds: float, since: str | None = None
) -> tuple[Job, frozenset[str]]:
    """The job, once it is final or ``seconds`` have passed.

    Args:
        since: an ``updated`` of the job; any other ends the wait too.

    Raises:
        NotFound: there is none (any more); and as `job_views.get` does.
    """
    deadline = time.monotonic() + seconds
    with api.changes.of(id_) as watch:
        while True:
            watch.take()
            job, rights = await readable(api, caller, id_, "view-meta")
            left = deadline - time.monotonic()
            changed = since is not None and job.document["updated"] != since
            if is_final(job.document["state"]) or changed or left <= 0 or watch.ended:
                return job, rights
            await watch.wait(left)


async def stream(api: ApiState, caller: Caller) -> AsyncIterator[bytes]:
    """Server-Sent Events of the jobs that changed and that ``caller`` sees, at most one each `PACE`.

    ``changed``: ``{"jobs": [{id, state, progress, action, updated}], "gone": [id], "more": bool}``; with ``more``
    there are others too, so that a reader should ask again for what it shows.
    """
    with api.changes.of() as watch:
        yield b": hello\n\n"
        while True:
            woken = await watch.wait(PULSE)
            if watch.ended:
                return
            if not woken:
                yield b": still here\n\n"
                continue
            ids, more = watch.take()
            jobs, gone = await api.store.read(_changed, ids, caller)
            if jobs or gone or more:
                data = msgspec.json.encode({"jobs": jobs, "gone": gone, "more": more})
                yield b"event: changed\ndata: " + data + b"\n\n"
            await asyncio.sleep(PACE)


def _changed(connection: sqlite3.Connection, ids: list[str], caller: Caller) -> tuple[list[Document], list[str]]:
    """The changed jobs that the caller sees; and those that are gone, whose ids say nothing to who never saw them."""
    found = documents.jobs(connection, ids, SHOWN) if ids else []
    seen = [job for job in found if "view-data" in acl.rights(job.acl, caller.claims)]
    there = {job.document["id"] for job in found}
    jobs = [{name: job.document[name] for name in SHOWN} for job in seen]
    return jobs, [id_ for id_ in ids if id_ not in there] if acl.sees_all(caller.claims, "job") else []


async def get_explain(call: Call) -> Json:
    """``GET /api/job/UUID/explain``."""
    return Json(await explain(call.api, call.caller, call.id))


async def get_events(call: Call) -> Json:
    """``GET /api/job/UUID/events``."""
    return Json({"id": call.id, "events": await events(call.api, call.caller, call.id)})


async def get_log(call: Call) -> Json:
    """``GET /api/job/UUID/log[?after=CURSOR][&last=N][&wait=SECONDS]``."""
    last = call.first("last")
    if last is not None and not (last.isascii() and last.isdigit() and len(last) < 10):
        raise Invalid(f"last={last[:60]!r} is not a number of lines")
    number = None if last is None else int(last)
    after = call.first("after")
    place = _place(after)
    seconds = call.seconds("wait", WAIT) if call.first("wait") is not None else 0.0
    deadline = time.monotonic() + seconds
    with call.api.changes.of(call.id) as watch:
        while True:
            watch.take()
            state, lines = await call.api.store.read(_log, call.id, call.caller, place, number)
            left = deadline - time.monotonic()
            final = is_final(state)
            if lines or final or left <= 0 or watch.ended:
                more = len(lines) == LINES
                cursor = f"{lines[-1]['attempt']}.{lines[-1]['n']}" if lines else after
                shown = [{**line, "at": iso(line["at"])} for line in lines]
                return Json({"id": call.id, "lines": shown, "next": cursor, "end": final and not more})
            await watch.wait(left)


async def get_wait(call: Call) -> Json:
    """``GET /api/job/UUID/wait[?timeout=SECONDS][&since=UPDATED]``."""
    job, rights = await wait(call.api, call.caller, call.id, call.seconds("timeout", WAIT), call.first("since"))
    document = veil(job.document, rights, call.api.executors.secrets, hides(call))
    return Json(one(document, rights, operations_for(call.caller), selected(call.query) or None))


async def get_stream(call: Call) -> Response:
    """``GET /api/stream``."""
    acl.demand(call.caller.claims, "job", "query")
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(_while_known(call), media_type="text/event-stream", headers=headers)


async def _while_known(call: Call) -> AsyncIterator[bytes]:
    """The stream, until the caller's session ends."""
    async for part in stream(call.api, call.caller):
        if (await call.api.identities.of(call.scope)).user != call.caller.user:
            return
        yield part
