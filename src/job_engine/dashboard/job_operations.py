"""The operations on a job that its page offers: each is a form that states the consequence, and a POST."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import record
from job_engine.dashboard.page import render, to
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import NotFound


@dataclass(frozen=True, slots=True)
class JobOperation:
    """One operation on a job, as its page offers it.

    Attributes:
        name: the name of the operation, which a document lists for callers with the right.
        question: the question to the visitor; None: the operation is harmless and runs without one.
    """

    name: str
    title: str
    question: str | None = None
    consequence: str = ""
    danger: bool = False


JOB_OPERATIONS: Final = {
    operation.name: operation
    for operation in (
        JobOperation("retry", "Run again"),
        JobOperation(
            "cancel", "Cancel", "Cancel this job?", "It will not run again. If it is running, it is interrupted."
        ),
        JobOperation(
            "delete", "Delete", "Delete this job?", "Its log, result and history go too. There is no way back.", True
        ),
    )
}


async def ask(request: Request) -> Response:
    """``GET /job/UUID/OPERATION``: ask for confirmation, in browsers without JavaScript; others ask on the job page."""
    operation = _operation(request)
    job = await record.get(request.state.visitor, f"job/{request.path_params['uuid']}")
    return render(request, "confirm.html", job=job, operation=operation, key=record.fresh_key())


async def do(request: Request) -> Response:
    """``POST /job/UUID/OPERATION``: run the operation, and show its result."""
    visitor: Visitor = request.state.visitor
    operation, id_ = _operation(request), f"job/{request.path_params['uuid']}"
    fields = await visitor.form(request)
    match operation.name:
        case "delete":
            await record.delete(request.state.visitor, id_)
            return to(request, "")
        case "retry":  # a form that is sent twice adds one job
            answer = await record.post(request.state.visitor, id_, "retry", fields.get("key") or None)
            return to(request, str(answer["resource-id"]))
        case _:
            await record.post(request.state.visitor, id_, operation.name)
            return to(request, id_)


def _operation(request: Request) -> JobOperation:
    operation = JOB_OPERATIONS.get(request.path_params["operation"])
    if operation is None:
        raise NotFound(f"there is no page at {request.url.path}")
    return operation
