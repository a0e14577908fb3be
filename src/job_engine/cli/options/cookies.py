"""``JOB_COOKIES``: the session of whoever starts an executor for one job, as a cookie file in a variable."""

import binascii
import tempfile
from base64 import b64decode
from http.cookiejar import LoadError, LWPCookieJar
from urllib.request import Request

from job_engine.job.errors import Invalid


def cookie_header(encoded: str, url: str) -> str:
    """What the header ``cookie`` says to the server at ``url``.

    Args:
        encoded: base64 of a file of the form LWP-Cookies-2.0, as `http.cookiejar.LWPCookieJar` writes it.

    Raises:
        Invalid: it is none, or has no cookie for that server.
    """
    jar = LWPCookieJar()
    try:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600, gone in a moment: the jar reads nothing but files
            file.write(b64decode(encoded, validate=False))
            file.flush()
            jar.load(file.name, ignore_discard=True, ignore_expires=True)
    except (binascii.Error, ValueError, LoadError, UnicodeDecodeError) as error:
        raise Invalid(f"JOB_COOKIES is not the base64 of a cookie file: {str(error) or type(error).__name__}") from None
    for cookie in jar:
        if not url.startswith("https:"):
            cookie.secure = False  # who names a server without TLS means it
        cookie.expires = None  # whether it is too old is for the server to say
    request = Request(f"{url}/api/")
    jar.add_cookie_header(request)
    header = request.get_header("Cookie")
    if not header:
        raise Invalid(f"JOB_COOKIES has no cookie for {url}: the domain in it is that of another server")
    return header
