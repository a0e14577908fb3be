"""What one can do to a job: each is a form that says what will happen, and a POST."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import record
from job_engine.dashboard.page import render, to
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import NotFound


@dataclass(frozen=True, slots=True)
class Deed:
    """One of them.

    Attributes:
        name: that of the operation which a document lists for who may.
        sure: what the visitor is asked; None: it harms nothing, so it is done at once.
    """

    name: str
    title: str
    sure: str | None = None
    consequence: str = ""
    danger: bool = False


DEEDS: Final = {
    deed.name: deed
    for deed in (
        Deed("retry", "Run again"),
        Deed("cancel", "Cancel", "Cancel this job?", "It will not run again. If it is running, it is interrupted."),
        Deed("delete", "Delete", "Delete this job?", "Its log, result and history go too. There is no way back.", True),
    )
}


async def ask(request: Request) -> Response:
    """``GET /job/UUID/DEED``: are you sure? For browsers without JavaScript; the others ask on the job's page."""
    deed = _deed(request)
    job = await record.get(request.state.visitor, f"job/{request.path_params['uuid']}")
    return render(request, "sure.html", job=job, deed=deed, key=record.fresh_key())


async def do(request: Request) -> Response:
    """``POST /job/UUID/DEED``: do it, and show what came of it."""
    visitor: Visitor = request.state.visitor
    deed, id_ = _deed(request), f"job/{request.path_params['uuid']}"
    fields = await visitor.form(request)
    match deed.name:
        case "delete":
            await record.delete(request.state.visitor, id_)
            return to(request, "")
        case "retry":  # a form that is sent twice adds one job
            answer = await record.post(request.state.visitor, id_, "retry", fields.get("key") or None)
            return to(request, str(answer["resource-id"]))
        case _:
            await record.post(request.state.visitor, id_, deed.name)
            return to(request, id_)


def _deed(request: Request) -> Deed:
    deed = DEEDS.get(request.path_params["deed"])
    if deed is None:
        raise NotFound(f"there is no page at {request.url.path}")
    return deed
