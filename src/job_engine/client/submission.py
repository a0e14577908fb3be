"""From an author's arguments to the document of a job that is added."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct
from uuid_utils import uuid7

from job_engine.client.handle import job_id
from job_engine.job import json_value
from job_engine.job.attributes import ATTRIBUTES, PAYLOAD_LIMIT
from job_engine.job.document import DELAY
from job_engine.job.errors import Invalid
from job_engine.job.options import JobOptions
from job_engine.job.times import iso, seconds

SLICE: Final = 1_000
"""Jobs added by one request at most: larger slices gain nothing."""
SLICE_BYTES: Final = 4 << 20
"""Bytes of one such request, unless a single job has more."""
EXTENSIONS: Final = frozenset(name for name, attribute in ATTRIBUTES.items() if attribute.extension)


class Options(Struct, frozen=True, kw_only=True):
    """`JobOptions` with ids for jobs."""

    target: str | None = None
    priority: int | None = None
    delay: float | str | None = None
    not_before: float | str | datetime | None = None
    retries: int | None = None
    timeout: float | str | None = None
    key: str | None = None
    name: str | None = None
    description: str | None = None
    parent: str | None = None
    tags: list[str] | str | None = None
    mode: str | None = None
    after: list[str] | None = None
    after_failure: str | None = None
    unless_active: bool | None = None

    @classmethod
    def of(cls, given: JobOptions) -> "Options":
        """What an author gave.

        Raises:
            Invalid: what stands for a job cannot be its id.
            TypeError: there is no such option.
        """
        options: dict[str, Any] = {**given}
        if (parent := options.get("parent")) is not None:
            options["parent"] = job_id(parent)
        if (after := options.get("after")) is not None:
            one = isinstance(after, str) or hasattr(after, "id")
            options["after"] = [job_id(job) for job in ([after] if one else after)]
        return cls(**options)

    def document(self, action: str) -> dict[str, Any]:
        """The document of a job, without payload and key.

        Raises:
            Invalid: an argument cannot be meant.
        """
        if not action.strip():
            raise Invalid("a job needs an action: its name")
        if self == _NONE:
            return {"action": action}
        found: dict[str, Any] = {
            "action": action,
            "target-resource": None if self.target is None else {"href": self.target},
            "priority": self.priority,
            "not-before": self._due(),
            "retries": self.retries,
            "timeout": None if self.timeout is None else seconds(self.timeout),
            "name": self.name,
            "description": self.description,
            "parent-job": self.parent,
            "tags": [self.tags] if isinstance(self.tags, str) else list(self.tags or ()) or None,
            "execution-mode": self.mode,
            "after": self.after or None,
            "after-failure": self.after_failure,
            "unless-active": self.unless_active,
        }
        return {name: value for name, value in found.items() if value is not None}

    def _due(self) -> str | None:
        if self.delay is not None and self.not_before is not None:
            raise Invalid("give delay or not_before, not both")
        if self.delay is not None:
            return f"{DELAY}{seconds(self.delay)}s"
        if isinstance(self.not_before, datetime):
            if self.not_before.tzinfo is None:  # to Python it is local time, to the API UTC
                raise Invalid("not_before has no time zone: give not_before.astimezone() if it is local time")
            return iso(self.not_before.timestamp())
        if isinstance(self.not_before, int | float):
            return iso(self.not_before)
        return self.not_before


_NONE: Final = Options()


def payload_text(payload: Any) -> str:
    """``payload`` as the JSON text that a document carries.

    Raises:
        Invalid: it cannot be written as JSON, or there is too much of it.
    """
    encoded = json_value.encode(payload, "the payload", nan=False)
    if len(encoded) > PAYLOAD_LIMIT:
        raise Invalid(f"the payload is too large: {len(encoded)} bytes of JSON, and {PAYLOAD_LIMIT} is the limit")
    return encoded.decode()


def documents(action: str, payloads: Iterable[Any], options: Options, *, extended: bool) -> Iterator[dict[str, Any]]:
    """The documents of jobs that differ in their payload (None: without one).

    Args:
        extended: the server knows our extensions.

    Raises:
        Invalid: an argument cannot be meant, or needs an extension that the server lacks.
    """
    shared = options.document(action)
    if not extended:
        lacking = sorted((EXTENSIONS & shared.keys()) | ({"idempotency-key"} if options.key else set()))
        if lacking:
            raise Invalid(f"this server does not know {', '.join(lacking)}: leave it out, or use a job-engine server")
    for payload in payloads:
        yield shared if payload is None else {**shared, "payload": payload_text(payload)}


def key_header(options: Options, part: int = 0) -> dict[str, str]:
    """The header that lets an add be repeated after a lost answer: one key for each request of a submission."""
    key = quote(options.key) if options.key else str(uuid7())
    return {"idempotency-key": f"{key}/{part}" if part else key}


def slices(found: Iterable[dict[str, Any]]) -> Iterator[list[bytes]]:
    """The documents as JSON, in slices that one request carries."""
    current: list[bytes] = []
    size = 0
    for document in found:
        encoded = json_value.encode(document, "the job", nan=False)
        if current and (len(current) >= SLICE or size + len(encoded) > SLICE_BYTES):
            yield current
            current, size = [], 0
        current.append(encoded)
        size += len(encoded) + 1
    if current:
        yield current
