"""The options that say which API server a program works for, and as whom: the same for executor, distributor, restore.

They are those of the other commands, and what Nuvla's programs are started with: a header, or ``JOB_COOKIES``.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from job_engine.cli.options.cookies import cookie_header
from job_engine.cli.options.shared import F, api_options, data_option, engine_option
from job_engine.client.discovery import Found, find
from job_engine.client.endpoint import Credentials

Locate = Callable[[], Found]


def api_server(function: F) -> F:
    """Adds the options; the function gets ``locate``, which finds the server.

    It raises Unreachable when nothing names a server, and Invalid when what does is not as it should be.
    """

    @wraps(function)
    def with_locate(*arguments: Any, data: Path | None, **rest: Any) -> Any:
        header, url, insecure = (rest.pop(f"api_{name}") for name in ("authn_header", "url", "insecure"))
        given = _credentials(header, *(rest.pop(f"api_{name}") for name in ("user", "pass", "key", "secret")))
        files = {name: rest.pop(f"api_{name}") for name in ("ca", "cert", "cert_key")}

        def locate() -> Found:
            insecurely = insecure or None
            found = find(environ=os.environ, url=url, credentials=given, insecure=insecurely, data=data, **files)
            cookies = os.environ.get("JOB_COOKIES")
            if not cookies:
                return found
            return replace(found, credentials=replace(found.credentials, cookie=cookie_header(cookies, found.url)))

        return function(*arguments, locate=locate, **rest)

    wrapped: Any = with_locate
    for decorate in (
        data_option("Folder of the engine on this machine, instead of --api-url.  [default: the user's data folder]"),
        engine_option(
            "--api-authn-header",
            metavar="TEXT",
            help="Instead of a login: the header nuvla-authn-info, for a server that believes this machine.",
        ),
        *api_options(),
    ):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[no-any-return]


def _credentials(
    header: str | None, user: str | None, password: str | None, key: str | None, secret: str | None
) -> Credentials:
    """Who calls, by the flags: a header needs no login, and a key goes before a user, as upstream has it."""
    if header is not None:
        return Credentials(header=header)
    if key and secret:
        return Credentials(key=key, secret=secret)
    return Credentials(username=user, password=password)
