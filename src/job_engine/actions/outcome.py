"""How an attempt ended, as data."""

from typing import Final, Literal

from msgspec import Struct

FINISHED: Final = "finished"
RETRY: Final = "retry"
RELEASED: Final = "released"
DETACHED: Final = "detached"


class Outcome(Struct, omit_defaults=True):
    """The end of one attempt.

    - ``finished``: ``state`` is final. A ``message`` or ``return_code`` of None leaves what the action set.
    - ``retry``: it failed, and is to run again after ``delay`` seconds; ``message`` says how it failed.
    - ``released``: it was interrupted; ``message`` is the interruption's reason.
    - ``detached``: its part is done, and the job stays RUNNING without it: a bulk job that waits for its children.
    """

    kind: Literal["finished", "retry", "released", "detached"]
    state: str | None = None
    return_code: int | None = None
    message: str | None = None
    result: bytes | None = None  # JSON
    delay: float = 0.0  # seconds
    output: str | None = None  # the end of the job's log, a traceback last
