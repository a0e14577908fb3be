"""Results of bulk jobs read out of status messages: ours, Nuvla's engine's, and what is neither."""

from typing import Annotated, Any

import msgspec

from job_engine.job.bulk import FAILED, OTHERS, REASONS, SKIPPED, UNKNOWN, BulkResult, Reason, first_line
from job_engine.job.errors import UNREADABLE, Invalid

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Id = str | int | None  # of upstream's skipped elements it is often null


class _Element(msgspec.Struct, omit_defaults=True):
    id: _Id = None
    count: _Count = 1
    name: str | None = None
    message: str | None = None


class _Reason(msgspec.Struct):
    reason: str
    count: _Count
    category: str = FAILED
    data: list[_Element] = []


class _Result(msgspec.Struct):
    total_actions: _Count
    failed_count: _Count = 0
    skipped_count: _Count = 0
    success: list[_Id] = []
    running: list[_Id] = []
    queued: list[_Id] = []
    success_count: _Count | None = None
    running_count: _Count | None = None
    queued_count: _Count | None = None
    error_reasons: list[_Reason] = []
    jobs_count: _Count = 0


def read(text: str) -> BulkResult:
    """A result out of a status message.

    Raises:
        Invalid: it is none.
    """
    try:
        said = msgspec.json.decode(text, type=_Result)
    except UNREADABLE as error:
        raise Invalid(f"this status message is no result of a bulk job: {error}") from None
    success, running, queued = ([_named(id_) for id_ in ids] for ids in (said.success, said.running, said.queued))
    return BulkResult(
        total=said.total_actions,
        success=success,
        queued=queued,
        running=running,
        reasons=_reasons(said.error_reasons),
        success_count=len(success) if said.success_count is None else said.success_count,
        failed_count=said.failed_count,
        skipped_count=said.skipped_count,
        queued_count=len(queued) if said.queued_count is None else said.queued_count,
        running_count=len(running) if said.running_count is None else said.running_count,
        jobs_count=said.jobs_count,
    )


def _reasons(said: list[_Reason]) -> dict[str, Reason]:
    reasons: dict[str, Reason] = {}
    for each in said:
        text = each.reason if each.reason in reasons or len(reasons) < REASONS else OTHERS
        kept = reasons.setdefault(text, Reason(SKIPPED if each.category == SKIPPED else FAILED))
        kept.count += each.count
        kept.data |= {_named(element.id): _plain(element) for element in each.data}
    return reasons


def found(message: Any) -> BulkResult | None:
    """The result in a status message; None if it is any other."""
    if not isinstance(message, str) or message.lstrip()[:1] != "{":
        return None
    try:
        return read(message)
    except Invalid:
        return None


def in_short(message: Any) -> str:
    """A status message in one line: of a result its sentence, of any other its first line."""
    result = found(message)
    return first_line(message) if result is None else result.sentence


def _named(id_: _Id) -> str:
    return UNKNOWN if id_ is None else str(id_)


def _plain(element: _Element) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": _named(element.id), "count": element.count}
    if element.name:
        plain["name"] = element.name
    if element.message:
        plain["message"] = element.message
    return plain
