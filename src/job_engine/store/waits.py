"""Why a job that is QUEUED is not ready: the values of the column ``waits``.

They are plain numbers and not members of an enum: a statement binds a number in half the time.
"""

from typing import Final, Literal

from job_engine.job.states import State

READY: Final = 0
"""The job waits for nothing but an executor."""
NOT_BEFORE: Final = 1
"""The job waits for its not-before."""
PULLED: Final = 2
"""The job waits for a client that pulls it; executors do not claim it."""
OTHER_JOBS: Final = 3
"""The job waits for other jobs to end."""

Waits = Literal[0, 1, 2, 3]

IS_READY: Final = f"state = '{State.QUEUED}' and waits = {READY}"
"""The condition on ready jobs in SQL; literal, because the planner does not take a partial index for bound values."""
NEXT_WAIT: Final = f"case when mode = 'pull' then {PULLED} when not_before > ? then {NOT_BEFORE} else {READY} end"
"""`waits_for` in SQL, of a job that waits for no other; it binds the time of now."""


def waits_for(mode: str, not_before: str | None) -> Waits:
    """Why a QUEUED job is not ready, by its mode and a not-before in the future."""
    return PULLED if mode == "pull" else READY if not_before is None else NOT_BEFORE
