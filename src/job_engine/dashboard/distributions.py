"""The distributions: when they make jobs, who leads them, and what one can do to them."""

import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import record
from job_engine.dashboard.page import render, to
from job_engine.dashboard.visitor import Visitor
from job_engine.job.distributions import overdue, schedule, silence
from job_engine.job.errors import NotFound

DEEDS: Final = {"run": "Run now", "pause": "Pause", "resume": "Resume"}
"""Operations of a distribution, and what is on their buttons."""


async def show(request: Request) -> Response:
    """``GET /distributions``."""
    found = await record.get(request.state.visitor, "distribution")
    distributions = sorted(found["resources"], key=lambda document: str(document["name"]))
    return render(request, "distributions.html", distributions=[_shown(document) for document in distributions])


async def do(request: Request) -> Response:
    """``POST /distribution/NAME/DEED``: do it, and show what came of it."""
    visitor: Visitor = request.state.visitor
    deed = request.path_params["deed"]
    if deed not in DEEDS:
        raise NotFound(f"there is no page at {request.url.path}")
    await visitor.form(request)
    await record.post(visitor, f"distribution/{request.path_params['name']}", deed)
    return to(request, "distributions")


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {
        "document": document,
        "schedule": schedule(document),
        "deeds": deeds(document),
        "silent": silence(document, now) is not None,
        "overdue": overdue(document, now),
    }


def deeds(document: dict[str, Any]) -> list[tuple[str, str]]:
    """What the visitor may do to one now, and what is on the buttons."""
    allowed = {operation["rel"].rpartition("/")[2] for operation in document.get("operations", ())}
    sense = {"run": "run-at" not in document, "pause": not document["paused"], "resume": document["paused"]}
    return [(name, title) for name, title in DEEDS.items() if name in allowed and sense[name]]
