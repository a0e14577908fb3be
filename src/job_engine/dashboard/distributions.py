"""The page of distributions: their schedules, leaders and operations."""

import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import record
from job_engine.dashboard.page import render, to
from job_engine.dashboard.visitor import Visitor
from job_engine.job.distributions import overdue, schedule, silence
from job_engine.job.errors import NotFound

DISTRIBUTION_OPERATIONS: Final = {"run": "Run now", "pause": "Pause", "resume": "Resume"}
"""Operations of a distribution, and what is on their buttons."""


async def show(request: Request) -> Response:
    """``GET /distributions``."""
    found = await record.get(request.state.visitor, "distribution")
    distributions = sorted(found["resources"], key=lambda document: str(document["name"]))
    return render(request, "distributions.html", distributions=[_shown(document) for document in distributions])


async def do(request: Request) -> Response:
    """``POST /distribution/NAME/OPERATION``: run the operation, and show its result."""
    visitor: Visitor = request.state.visitor
    operation = request.path_params["operation"]
    if operation not in DISTRIBUTION_OPERATIONS:
        raise NotFound(f"there is no page at {request.url.path}")
    await visitor.form(request)
    await record.post(visitor, f"distribution/{request.path_params['name']}", operation)
    return to(request, "distributions")


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    return {
        "document": document,
        "schedule": schedule(document),
        "operations": allowed_operations(document),
        "silent": silence(document, now) is not None,
        "overdue": overdue(document, now),
    }


def allowed_operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The operations that the visitor may do now, with the text of each button."""
    allowed = {operation["rel"].rpartition("/")[2] for operation in document.get("operations", ())}
    sense = {"run": "run-at" not in document, "pause": not document["paused"], "resume": document["paused"]}
    return [(name, title) for name, title in DISTRIBUTION_OPERATIONS.items() if name in allowed and sense[name]]
