"""The result of a bulk job, as Nuvla's engine and its users read it: JSON in the status message (contract, section 8).

The counts are always exact. What does not fit into a status message is left out of the lists of ids, and at last of the
texts of the reasons.
"""

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from job_engine.job.attributes import MESSAGE_LIMIT
from job_engine.job.states import State

MONITOR: Final = "monitor"
"""The tag of a bulk job that has made its children and waits for them."""
UNKNOWN: Final = "unknown"
"""The id of an element that none is known of."""
FAILED, SKIPPED = "failed", "skipped"
CHILD_REASON: Final = {State.FAILED: "Job failed", State.CANCELED: "Job canceled"}
"""What Nuvla's engine says of such a child; here of one that says nothing itself."""
REASONS: Final = 100
"""Reasons that are told apart; what comes after them is counted as one."""
OTHERS: Final = "Other reasons"
UNSAID: Final = "Without a reason"
REASON_LIMIT: Final = 200
"""Characters of a reason: the first line of what was said."""
SHORT_REASON: Final = 60
"""Characters of a reason where longer ones do not fit, whatever they are made of."""
MESSAGE: Final = 1000
"""Characters of what is told of one element."""

Child = tuple[str, str, str | None, str | None]
"""A child job: its id, state, target resource, and what it said if it did not succeed."""


def own_tags(tags: Iterable[str]) -> list[str]:
    """Those that somebody gave the job, without the engine's: where its entry is, and that its children are watched."""
    return [tag for tag in tags if not tag.startswith("/") and tag != MONITOR]


@dataclass(slots=True)
class Reason:
    """Why elements failed or were skipped, and which."""

    category: str
    count: int = 0
    data: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id: {id, count, name?, message?}


@dataclass(slots=True)
class BulkResult:
    """What became of the elements of a bulk job, so far."""

    total: int = 0
    success: list[str] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    reasons: dict[str, Reason] = field(default_factory=dict)
    success_count: int = 0
    failed_count: int = 0
    skipped_count: int = 0
    queued_count: int = 0
    running_count: int = 0
    jobs_count: int = 0

    def succeeded(self, id_: str) -> None:
        """An element is done."""
        self.success.append(id_)
        self.success_count += 1

    def queue(self, id_: str) -> None:
        """A child job was made for an element."""
        self.queued.append(id_)
        self.queued_count += 1
        self.jobs_count += 1

    def failed(self, reason: str, id_: str = UNKNOWN, name: str | None = None, message: str | None = None) -> None:
        """An element failed."""
        self.failed_count += 1
        self._unsuccessful(FAILED, reason, id_, name, message)

    def skipped(self, reason: str, id_: str = UNKNOWN, name: str | None = None, message: str | None = None) -> None:
        """There was nothing to do for an element."""
        self.skipped_count += 1
        self._unsuccessful(SKIPPED, reason, id_, name, message)

    def _unsuccessful(self, category: str, reason: str, id_: str, name: str | None, message: str | None) -> None:
        short = first_line(reason)[:REASON_LIMIT] or UNSAID
        if short not in self.reasons and len(self.reasons) >= REASONS:
            short = OTHERS
        # of one reason, as upstream: who first names it says whether it is a failure
        kept = self.reasons.setdefault(short, Reason(category))
        kept.count += 1
        element = kept.data.setdefault(id_, {"id": id_, "count": 0})
        element["count"] += 1
        if name:
            element["name"] = name[:MESSAGE]
        if message or short != reason:
            element["message"] = (message or reason)[:MESSAGE]

    # With its children.

    def with_children(self, children: Iterable[Child]) -> "BulkResult":
        """The result of a bulk job and its children.

        Args:
            children: all of them; this result is of what the bulk job did without them.
        """
        result = replace(
            self,
            success=[*self.success],
            reasons={
                text: Reason(kept.category, kept.count, {id_: dict(element) for id_, element in kept.data.items()})
                for text, kept in self.reasons.items()
            },
            queued=[], running=[], queued_count=0, running_count=0,
        )  # fmt: skip
        number = 0
        for id_, state, target, said in children:
            number += 1
            if state == State.QUEUED:
                result.queued.append(id_)
            elif state == State.RUNNING:
                result.running.append(id_)
            elif state == State.SUCCESS:
                result.succeeded(target or id_)
            else:
                result.failed(first_line(said)[:REASON_LIMIT] or CHILD_REASON[State(state)], target or id_)
        result.queued_count, result.running_count = len(result.queued), len(result.running)
        result.jobs_count = max(result.jobs_count, number)
        result.total = max(result.total, result.settled + result.queued_count + result.running_count)
        return result

    def without_children(self, targets: Container[str]) -> "BulkResult":
        """What the bulk job did itself, of a result with children whose reasons are those of `CHILD_REASON`.

        Args:
            targets: the target resources, or ids, of all its children.
        """
        reasons = {text: kept for text, kept in self.reasons.items() if text not in CHILD_REASON.values()}
        failed = self.failed_count - sum(kept.count for text, kept in self.reasons.items() if text not in reasons)
        success = [id_ for id_ in self.success if id_ not in targets]
        if len(self.success) == self.success_count:
            number = len(success)
        else:  # not all are named: the rest is counted
            number = min(self.success_count, self.total - self.jobs_count - self.skipped_count - failed)
        return replace(
            self, success=success, reasons=reasons, success_count=max(0, number), failed_count=max(0, failed),
            queued=[], running=[], queued_count=0, running_count=0,
        )  # fmt: skip

    # What it says.

    @property
    def active(self) -> int:
        """How many children have not ended."""
        return self.queued_count + self.running_count

    @property
    def settled(self) -> int:
        """How many elements are done, failed or skipped."""
        return self.success_count + self.failed_count + self.skipped_count

    @property
    def progress(self) -> int:
        """Percent of the elements that are settled; 100 only when all are."""
        return 100 if self.settled >= self.total else 100 * self.settled // self.total

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many elements are in which way settled or not, in words; without those that are none."""
        every = (
            ("done", self.success_count), (FAILED, self.failed_count), (SKIPPED, self.skipped_count),
            ("running", self.running_count), ("queued", self.queued_count),
        )  # fmt: skip
        return [(word, number) for word, number in every if number or word == "done"]

    @property
    def sentence(self) -> str:
        """All in one line."""
        (_, done), *others = self.counts
        said = ", ".join([f"{done} of {self.total} done", *(f"{number} {word}" for word, number in others)])
        failed = [text for text, kept in self.ranked if kept.category == FAILED]
        if not self.failed_count or not failed:
            return said
        rest = f" and {len(failed) - 1} more reason{'s' if len(failed) > 2 else ''}" if failed[1:] else ""
        return f"{said}: {self.told(failed[0])}{rest}"

    def told(self, text: str) -> str:
        """A reason, with what its first element has to add to it."""
        message = next((element["message"] for element in self.reasons[text].data.values() if "message" in element), "")
        added = first_line(message)
        return text if not added or added.startswith(text) else f"{text}: {added}"

    @property
    def ranked(self) -> list[tuple[str, Reason]]:
        """The reasons, those of most elements first."""
        return sorted(self.reasons.items(), key=lambda item: -item[1].count)

    def text(self, limit: int = MESSAGE_LIMIT) -> str:
        """The JSON, at most ``limit`` characters if that is not less than `MESSAGE_LIMIT`."""
        most = max((len(ids) for ids in self._lists()), default=0)
        while len(text := json.dumps(self._document(most, REASON_LIMIT))) > limit and most:
            most = min(most // 2, int(most * limit / len(text)))
        return text if len(text) <= limit else json.dumps(self._document(0, SHORT_REASON))

    def _lists(self) -> Iterable[Any]:
        return (self.success, self.queued, self.running, *(reason.data for reason in self.reasons.values()))

    def _document(self, most: int, length: int) -> dict[str, Any]:
        return {
            "total_actions": self.total,
            "failed_count": self.failed_count,
            "skipped_count": self.skipped_count,
            "success": self.success[:most],
            "success_count": self.success_count,
            "queued_count": self.queued_count,
            "running_count": self.running_count,
            "running": self.running[:most],
            "queued": self.queued[:most],
            "error_reasons": [
                {
                    "reason": reason[:length],
                    "count": kept.count,
                    "category": kept.category,
                    "data": sorted(kept.data.values(), key=lambda element: -element["count"])[:most],
                }
                for reason, kept in self.ranked
            ],
            "jobs_count": self.jobs_count,
        }


def is_bulk(action: str) -> bool:
    """Whether jobs of this action have children that are canceled with them (contract, section 6)."""
    return action.startswith("bulk")


def first_line(text: Any) -> str:
    """The first line of a text that is not blank."""
    return next((line.strip() for line in str(text or "").splitlines() if line.strip()), "")
