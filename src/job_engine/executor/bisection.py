"""The search for the one thing that a source does not take, among all that it is told at once."""

import logging
from typing import Final

from job_engine.executor.holds import Batch, Held, Holds
from job_engine.job.errors import Invalid, JobEngineError

log = logging.getLogger(__name__)

SPLIT: Final = 8
"""By how much what is told at once shrinks when the source does not take it, until the culprit is alone."""


class Bisection:
    """What to tell at once, after refusals.

    One thing is blamed only if it is malformed, or if the source took other things meanwhile: a source that takes
    nothing is ill.

    Args:
        where: the source's address.
    """

    def __init__(self, holds: Holds, where: str) -> None:
        self.limit: int | None = None
        """How many things to tell at once; None: all."""
        self._holds = holds
        self._where = where
        self._proven = False  # the source takes an exchange that tells nothing
        self._taken = False  # it took something since it refused something

    def on_refused(self, error: JobEngineError, batch: Batch) -> list[Held]:
        """The source does not take ``batch``, which has `Holds.failed`: tell less at once, or leave out the culprit.

        Answers the holds whose checkpoint is given up.
        """
        if batch.size == 1 and self._proven:
            self._proven = False
            if isinstance(error, Invalid) or self._taken:
                log.error("%s does not take what it is told of a job; it is left out: %s", self._where, error)
                return self._holds.blame(batch, error.message)
            self._holds.defer(batch)
            return []
        if self.limit is None:
            self._taken = False
            log.warning("%s does not take what it is told; trying in smaller parts: %s", self._where, error)
        self.limit = batch.size // SPLIT
        return []

    def on_taken(self, batch: Batch) -> None:
        """The source has taken ``batch``: tell more at once."""
        if self.limit is None:
            return
        self._taken = self._taken or bool(batch.size)
        if self.limit == 0:
            self._proven = True
            self.limit = 1
        else:
            self.limit = self.limit * SPLIT if self.limit < SPLIT**3 else None
