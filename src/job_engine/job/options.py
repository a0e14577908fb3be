"""What authors say of a job beside its action and arguments."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypedDict


class Identified(Protocol):
    """What stands for a job, as its handle does."""

    id: str


class JobOptions(TypedDict, total=False):
    """What a job is to be, beside its action and arguments; None is as good as nothing.

    Attributes:
        target: the resource to act on, ``type`` or ``type/id``.
        priority: 0 to 999, lower first.
        delay: how long to wait at least before it runs: seconds, or text such as ``"10m"``.
        not_before: a time to wait for: seconds since the epoch, ISO 8601 (UTC if it names no zone), or a datetime with
            a time zone.
        retries: how often to run again after an exception.
        timeout: how long an attempt may take: seconds, or text such as ``"10m"``.
        key: an add with a key seen before answers the first job; by default one that is never seen again.
        name, description: for people.
        parent: the job that this one is a child of: its id or handle.
        tags: words to find it by, or one of them.
        mode: push, pull or mixed.
        after: the jobs that it waits for, until each is SUCCESS.
        after_failure: when one of those ends otherwise, ``"fail"`` (it FAILS too) or ``"run"`` (that counts as done).
        unless_active: add it only while no job of its action and target is queued or running.
    """

    target: str | None
    priority: int | None
    delay: float | str | None
    not_before: float | str | datetime | None
    retries: int | None
    timeout: float | str | None
    key: str | None
    name: str | None
    description: str | None
    parent: str | Identified | None
    tags: list[str] | str | None
    mode: str | None
    after: str | Identified | Iterable[str | Identified] | None
    after_failure: str | None
    unless_active: bool | None
