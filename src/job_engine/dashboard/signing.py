"""Signing in, by password or by the link that ``job-engine up`` prints, and out."""

import re
from contextlib import AbstractContextManager, suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.api import sessions
from job_engine.api.audited import watching
from job_engine.api.identity import COOKIE
from job_engine.api.state import ApiState
from job_engine.dashboard import record
from job_engine.dashboard.page import render, to
from job_engine.dashboard.visitor import Visitor
from job_engine.job.errors import Forbidden, Invalid, NotFound, Unavailable

PAGES: Final = re.compile(r"(?:account|executors|distributions|audit|job/[A-Za-z0-9_.:-]+(?:/[a-z]+)?)?(?:\?[^\s\\]*)?")
"""Where one may go on after signing in: a page of ours, below the root."""


async def form(request: Request) -> Response:
    """``GET /sign-in``: the form; with a token, the visitor is signed in."""
    visitor: Visitor = request.state.visitor
    token = request.query_params.get("token")
    if token is not None and request.method == "GET":  # a HEAD, by something that previews links, uses no token up
        try:
            with _watched(request) as api:
                _, cookie = await sessions.sign_in(api, token, visitor.address, secure=_secure(request))
        except Forbidden as error:
            if not visitor.known:
                return _form(request, 403, error.message)
            return to(request, "")  # the link was opened again, where it had signed in
        except Unavailable as error:
            return _form(request, 503, error.message)
        return _signed_in(request, cookie, "")
    if visitor.known:
        return to(request, _next(request.query_params.get("next", "")))
    return _form(request)


async def sign_in(request: Request) -> Response:
    """``POST /sign-in``: a name and a password."""
    visitor: Visitor = request.state.visitor
    fields = await visitor.form(request)
    name, password, onward = fields.get("name", ""), fields.get("password", ""), _next(fields.get("next", ""))
    if not name or not password:
        return _form(request, 400, "Both a name and a password are needed.", name, onward)
    try:
        headers, secure = dict(request.scope["headers"]), _secure(request)
        with _watched(request) as api:
            session, cookie = await sessions.log_in(
                api, name, password, visitor.address, secure=secure, headers=headers
            )
    except Forbidden:
        return _form(request, 403, "This name and password do not go together.", name, onward)
    except (Invalid, Unavailable) as error:
        return _form(request, 503, error.message, name, onward)
    answer = _signed_in(request, cookie, onward)
    device = await sessions.device_cookie(visitor.api, session, headers, secure=secure)
    if device is not None:
        answer.raw_headers.append(device)
    return answer


async def sign_out(request: Request) -> Response:
    """``POST /sign-out``: the session ends, and its cookie with it."""
    visitor: Visitor = request.state.visitor
    await visitor.form(request)
    if visitor.caller.session is not None:
        with suppress(NotFound):  # it has ended already
            await record.delete(visitor, visitor.caller.session)
    answer = to(request, "sign-in")
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def _form(
    request: Request, status: int = 200, problem: str = "", name: str = "", onward: str | None = None
) -> Response:
    if onward is None:
        onward = _next(request.query_params.get("next", ""))
    return render(request, "sign-in.html", status, problem=problem, name=name, onward=onward)


def _signed_in(request: Request, cookie: tuple[bytes, bytes], onward: str) -> Response:
    answer = to(request, onward)
    answer.raw_headers.append(cookie)
    return answer


def _next(page: str) -> str:
    return page if PAGES.fullmatch(page) else ""


def _watched(request: Request) -> AbstractContextManager[ApiState]:
    """The API for a login, which is audited."""
    visitor: Visitor = request.state.visitor
    return watching(visitor.api, "session.add", visitor.caller, visitor.address, "session")


def _secure(request: Request) -> bool:
    """Whether browsers reach this over https: then they shall send the cookie over nothing else."""
    visitor: Visitor = request.state.visitor
    return request.url.scheme == "https" or visitor.api.settings.base.startswith("https:")
