"""The errors of the engine: one small hierarchy, each message saying what is wrong and what to do."""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises of bytes that are not what they should be: no JSON or MessagePack, of another type, not in UTF-8,
or too deep."""


class JobEngineError(Exception):
    """Something went wrong in the job engine."""

    for_admins: str | None = None
    """The sentence for administrators, if it names what is nobody else's business, such as processes."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))

    @property
    def message(self) -> str:
        """The sentence a user reads."""
        return str(self.args[0])


class Invalid(JobEngineError):
    """A document or argument is not acceptable (HTTP 400)."""

    def __init__(self, message: str | None = None, attribute: str | None = None) -> None:
        super().__init__(message)
        self.attribute = attribute


class Forbidden(JobEngineError):
    """The caller may not do this (HTTP 403)."""


class NotFound(JobEngineError):
    """No such resource (HTTP 404)."""


class Conflict(JobEngineError):
    """The resource is not in a state that allows this (HTTP 409)."""


class Unavailable(JobEngineError):
    """The record cannot be read or written now; try again (HTTP 503)."""


class Unreachable(JobEngineError):
    """No answer from the API server; is it running?"""
