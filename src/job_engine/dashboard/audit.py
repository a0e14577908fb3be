"""The page of the audit, for administrators: events, newest first."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import formatting, record
from job_engine.dashboard.page import render
from job_engine.job.errors import Invalid

EVENTS_PER_PAGE: Final = 50
"""Events on one page."""


async def show(request: Request) -> Response:
    """``GET /audit[?filter=FILTER][&first=N]``."""
    wanted = request.query_params.get("filter", "").strip()
    first = int(text) if (text := request.query_params.get("first", "")).isdecimal() and len(text) < 7 else 1
    found: dict[str, Any] = {"resources": [], "count": 0}
    problem = ""
    try:
        found = await record.get(
            request.state.visitor, "audit-event",
            filter=wanted or None, orderby="id:desc", first=first, last=first + EVENTS_PER_PAGE - 1,
        )  # fmt: skip
    except Invalid as error:
        problem = error.message
    newer, older = max(1, first - EVENTS_PER_PAGE), first + EVENTS_PER_PAGE
    return render(
        request,
        "audit.html",
        400 if problem else 200,
        events=found["resources"],
        filter=wanted,
        problem=problem,
        newer=f"audit?{formatting.query(filter=wanted, first=newer)}" if first > 1 else None,
        older=f"audit?{formatting.query(filter=wanted, first=older)}" if found["count"] >= older else None,
    )
