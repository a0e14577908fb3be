"""From an author's arguments to the document of a job that is added."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from uuid_utils import uuid7

from job_engine.job import json_value
from job_engine.job.attributes import ATTRIBUTES, PAYLOAD_LIMIT
from job_engine.job.document import DELAY
from job_engine.job.errors import Invalid
from job_engine.job.times import iso, seconds

SLICE: Final = 1_000
"""Jobs added by one request at most: larger slices gain nothing."""
SLICE_BYTES: Final = 4 << 20
"""Bytes of one such request, unless a single job has more."""
EXTENSIONS: Final = frozenset(name for name, attribute in ATTRIBUTES.items() if attribute.extension)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a job is to be, beside its action and payload; the names are those of the document, but for ``-``.

    Attributes:
        target: the resource to act on, ``type`` or ``type/id``.
        priority: 0 to 999, lower first.
        delay: how long to wait at least before it runs: seconds, or text such as ``"10m"``.
        not_before: a time to wait for: seconds since the epoch, ISO 8601 (UTC if it names no zone), or a datetime with
            a time zone.
        retries: how often to run again after an exception.
        timeout: how long an attempt may take: seconds, or text such as ``"10m"``.
        key: an add with a key seen before answers the first job; by default one that is never seen again.
        parent: the id of the job that this one is a child of.
        tags: words to find it by, or one of them.
        mode: push, pull or mixed.
        after: ids of the jobs that it waits for, until each is SUCCESS.
        after_failure: when one of those ends otherwise, ``"fail"`` (it FAILS too) or ``"run"`` (that counts as done).
        unless_active: add it only while no job of its action and target is queued or running.
    """

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

    def document(self, action: str) -> dict[str, Any]:
        """The document of a job, without payload and key.

        Raises:
            Invalid: an argument cannot be meant.
        """
        if not action.strip():
            raise Invalid("a job needs an action: its name")
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
