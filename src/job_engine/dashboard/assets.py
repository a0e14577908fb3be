"""Style, script and icon: read once, kept by browsers for good, because a changed file has another URL."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

TYPES: Final = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""All static files, and their media types."""
CACHE_SECONDS: Final = 365 * 86400
"""Seconds that a browser keeps a file without asking: the URL carries the digest of what is in it."""

SAFE_HEADERS: Final = {"x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin"}
"""A browser takes a file for nothing but what it is, and gives it to no other site's page."""


@cache
def _read(name: str) -> bytes:
    return files("job_engine.dashboard").joinpath("static", name).read_bytes()


@cache
def versioned(name: str) -> str:
    """The URL of a file, below the root of the pages."""
    return f"static/{name}?v={sha256(_read(name)).hexdigest()[:12]}"


async def static(request: Request) -> Response:
    """``GET /static/NAME``: open to all."""
    name = request.path_params["name"]
    if name not in TYPES:
        return PlainTextResponse("not found", 404, SAFE_HEADERS)
    headers = {**SAFE_HEADERS, "cache-control": f"public, max-age={CACHE_SECONDS}, immutable"}
    return Response(_read(name), headers=headers, media_type=TYPES[name])
