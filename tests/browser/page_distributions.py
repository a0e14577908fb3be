"""Distributions for the pages to show. None is due while the tests run."""

from typing import Any

from job_engine import distribution


@distribution("never", cron="0 0 29 2 *", timezone="Europe/Zurich")
def never() -> dict[str, Any]:
    """Makes a job when somebody asks for it."""
    return {"action": "noop", "tags": ["by-hand"]}


@distribution("broken", cron="0 0 29 2 *")
def broken() -> None:
    """Fails, with what could be taken for HTML."""
    raise ValueError("no <b>such</b> thing")
