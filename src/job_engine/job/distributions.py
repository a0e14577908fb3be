"""How a distribution is shown to people, in a terminal and on the page."""

from collections.abc import Mapping
from typing import Any, Final

from job_engine.job.times import epoch

SILENT: Final = 60.0
"""Seconds without a word about a distribution after which nobody is taken to make its jobs. A distributor that is alive
reports every 20 s, and the record notes that every 15 s at least."""
PROMPT: Final = 5.0
"""Seconds that a tick takes, or a clock may differ, before it is called overdue."""


def schedule(document: Mapping[str, Any]) -> str:
    """When it makes jobs, in a line."""
    if document.get("every"):
        return f"every {document['every']}"
    cron, zone = str(document.get("cron") or ""), document.get("timezone")
    return f"{cron} {zone}" if cron and zone not in (None, "", "UTC") else cron


def silence(document: Mapping[str, Any], now: float) -> float | None:
    """For how many seconds no distributor has told of it; None: one is alive."""
    silent = now - epoch(document["heard"])
    return silent if silent > SILENT else None


def overdue(document: Mapping[str, Any], now: float) -> bool:
    """Whether its next tick should have been made."""
    return not document["paused"] and "next-tick" in document and now - epoch(document["next-tick"]) > PROMPT
