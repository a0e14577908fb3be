"""The common part of all pages: a visitor with the right to see it, a template, and strict headers."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from job_engine.dashboard import assets, formatting, record
from job_engine.dashboard.visitor import ForeignForm, Visitor
from job_engine.job.errors import Conflict, Forbidden, Invalid, JobEngineError, NotFound, Unavailable

log = logging.getLogger(__name__)

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # not no-referrer: browsers would send forms with the origin "null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",  # after a sign-out, Back shows nothing
}
ERROR_PAGES: Final[dict[type[JobEngineError], tuple[int, str]]] = {
    Invalid: (400, "Invalid request"),
    Forbidden: (403, "Forbidden"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Conflict"),
    Unavailable: (503, "Service unavailable"),
}
"""Status and title by the kind of an error; see `status_of`."""

Handler = Callable[[Request], Awaitable[Response]]

_templates = Environment(
    loader=PackageLoader("job_engine.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
_templates.globals["static"] = assets.versioned
_templates.filters.update(
    ago=formatting.ago, lasting=formatting.lasting, since=formatting.since, exact=formatting.exact,
    one_line=formatting.one_line, plain=formatting.plain, pretty=formatting.pretty, short=formatting.short,
    count=formatting.count, bare=formatting.bare,
)  # fmt: skip


def page(handler: Handler, *, public: bool = False) -> Handler:
    """``handler`` as a page: it finds a `Visitor` in ``request.state``, and its errors become pages.

    Args:
        public: whoever has not signed in may see it too.
    """

    async def endpoint(request: Request) -> Response:
        try:
            visitor = request.state.visitor = await Visitor.of(request)
            if visitor.known:
                request.state.visitor = replace(visitor, name=await record.name_of(visitor))
            elif not public:
                here = _here(request)
                return to(request, f"sign-in?{formatting.query(next=here)}" if here else "sign-in")
            return await handler(request)
        except JobEngineError as error:
            return _failed(request, error)
        except Exception:  # boundary: whatever a page raises becomes a page, logged here
            log.exception("a page failed unexpectedly: %s", request.url.path)
            return _failed(request, JobEngineError("unexpected error in the server; its log says more"))

    return endpoint


def render(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """A page made of a template."""
    root = root_of(request)
    visitor: Visitor = request.state.visitor
    trouble = visitor.trouble if visitor.known else ""
    text = _templates.get_template(template).render(root=root, visitor=visitor, trouble=trouble, **context)
    return HTMLResponse(text, status, HEADERS)


def to(request: Request, path: str) -> RedirectResponse:
    """Go on at ``path``, below the root of the pages."""
    return RedirectResponse(root_of(request) + path, 303, HEADERS)


def root_of(request: Request) -> str:
    """The way from a page up to the root of the pages: relative, so that it is right behind any prefix."""
    return "../" * (_path(request).count("/") - 1) or "./"


def _path(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def _here(request: Request) -> str:
    """Where to go on after signing in; nowhere in particular for what was not looked at but done."""
    query = request.url.query
    return f"{_path(request)[1:]}{'?' if query else ''}{query}" if request.method == "GET" else ""


def status_of(error: JobEngineError) -> tuple[int, str]:
    """Status and title of the page for an error."""
    known = (ERROR_PAGES[kind] for kind in type(error).__mro__ if kind in ERROR_PAGES)
    return next(known, (500, "Server error"))


def _failed(request: Request, error: JobEngineError) -> Response:
    status, title = status_of(error)
    if not hasattr(request.state, "visitor"):  # it is not even known who looks
        return PlainTextResponse(error.message, status, HEADERS)
    forbidden = isinstance(error, Forbidden) and not isinstance(error, ForeignForm)
    return render(request, "failed.html", status, title=title, message=error.message, forbidden=forbidden)
