"""The page of the visitor's account: the password, and the sessions."""

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import record
from job_engine.dashboard.page import render, status_of, to
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import Conflict, Forbidden, Invalid, JobEngineError, Unavailable


async def show(request: Request) -> Response:
    """``GET /account``."""
    return await _show(request)


async def change_password(request: Request) -> Response:
    """``POST /account/password``: the other sessions end, this one goes on."""
    visitor: Visitor = request.state.visitor
    fields = await visitor.form(request)
    old, new = fields.get("old", ""), fields.get("new", "")
    if not old or not new:
        return await _show(request, 400, "Both the old password and a new one are needed.")
    if new != fields.get("again"):
        return await _show(request, 400, "The new password was not written the same way twice.")
    try:
        await record.put(visitor, visitor.caller.user, {"old-password": old, "password": new})
    except (Invalid, Forbidden, Conflict, Unavailable) as error:
        return await _show(request, status_of(error)[0], _said(error))
    return await _show(request, done="You have a new password; all other sessions have ended.")


async def end_sessions(request: Request) -> Response:
    """``POST /account/end-sessions``: one of them, or all but this one."""
    visitor: Visitor = request.state.visitor
    session = (await visitor.form(request)).get("session", "")
    if session.startswith("session/"):
        await record.delete(visitor, session)
    else:
        await record.post(visitor, visitor.caller.user, "end-sessions")
    return to(request, "account")


def _said(error: JobEngineError) -> str:
    """The end of an error's message: its beginning is for programs."""
    return f"{error.message.rpartition(': ')[2].capitalize()}."


async def _show(request: Request, status: int = 200, problem: str = "", done: str = "") -> Response:
    visitor: Visitor = request.state.visitor
    found = await record.get(visitor, visitor.caller.user, "sessions")
    return render(request, "account.html", status, sessions=found["resources"], problem=problem, done=done)
