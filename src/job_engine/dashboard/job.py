"""The page of one job: state and its reason, result, log and history."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import family, formatting, record
from job_engine.dashboard.history import names_of, steps
from job_engine.dashboard.job_operations import JOB_OPERATIONS
from job_engine.dashboard.page import render
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import Forbidden
from job_engine.job.states import State, is_final

FIRST_CURSOR: Final = "0.0"
"""The cursor before the first line of a log."""
LOG_LINES: Final = 500
"""Lines of the log's end that a page begins with."""
PARKED_SECONDS: Final = 20
"""Seconds that a request for more of the log is kept: below what proxies take for dead."""
FACTS: Final = (
    ("created", "Created"), ("started", "Started"), ("duration", "Duration"), ("not-before", "Not before"),
    ("priority", "Priority"), ("attempt", "Attempt"), ("failures", "Failures"), ("deaths", "Deaths"),
    ("retries", "Retries"), ("timeout", "Timeout"), ("return-code", "Return code"), ("execution-mode", "Mode"),
    ("created-by", "By"), ("parent-job", "Parent job"), ("retry-of", "Retry of"), ("tags", "Tags"),
)  # fmt: skip
"""The attributes that the head of the page shows, in this order, and their titles."""


async def show(request: Request) -> Response:
    """``GET /job/UUID``."""
    id_ = _id(request)
    visitor = request.state.visitor
    document = await record.get(visitor, id_)
    seen = "state" in document  # who has no more than view-meta is not told where the job is
    final = is_final(document.get("state", ""))
    history, lines, reason, kin, links, executors = await asyncio.gather(
        record.get(visitor, id_, "events") if seen else _nothing(),
        _lines(visitor, id_) if seen else _nothing(),
        record.get(visitor, id_, "explain") if seen and not final else _nothing(),
        family.of(visitor, document) if seen else _nothing(),
        family.links_of(visitor, document),
        record.get(visitor, "executor"),
    )
    waiting = await family.waiting_of(visitor, document, reason) if seen else None
    shown = lines["lines"] if lines else []
    allowed = {operation["rel"].rpartition("/")[2] for operation in document.get("operations", ())}
    return render(
        request,
        "job.html",
        job=document,
        seen=seen,
        final=final,
        facts=[(name, title, document[name]) for name, title in FACTS if document.get(name) not in (None, [])],
        steps=steps(history["events"], names_of(executors["resources"])) if history else [],
        reason=reason if document.get("state") == State.QUEUED else None,
        waiting=waiting,
        elements=family.Elements.of(document, links or {}),
        family=kin,
        lines=shown,
        log_readable=lines is not None,
        after=lines["next"] or FIRST_CURSOR if lines else FIRST_CURSOR,
        cut=len(shown) >= LOG_LINES,
        operations=[operation for operation in JOB_OPERATIONS.values() if operation.name in allowed],
        key=record.fresh_key(),
        document=formatting.pretty(document),
    )


async def log(request: Request) -> Response:
    """``GET /job/UUID/log?after=CURSOR``: the lines after that one, once there are some, as they stand on the page."""
    after = request.query_params.get("after") or FIRST_CURSOR
    found = await record.get(request.state.visitor, _id(request), "log", after=after, wait=PARKED_SECONDS)
    before = after.partition(".")[0]  # the attempt; the API has checked it
    return render(
        request, "log.html", lines=found["lines"], before=int(before), after=found["next"], final=found["end"]
    )


def _id(request: Request) -> str:
    return f"job/{request.path_params['uuid']}"


async def _lines(visitor: Visitor, id_: str) -> Any:
    """The end of the log; None: the visitor may not read it."""
    with suppress(Forbidden):
        return await record.get(visitor, id_, "log", last=LOG_LINES)
    return None


async def _nothing() -> None:
    return None
