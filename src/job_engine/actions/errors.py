"""What actions raise, or are sent."""

from job_engine.job.attributes import checked
from job_engine.job.errors import Invalid, JobEngineError


class Failed(JobEngineError):
    """The action failed."""

    def __init__(self, message: str | None = None, *, return_code: int = 1, retry: bool = False) -> None:
        """A verdict without a traceback, for the job's ``status-message``.

        Args:
            message: what went wrong, for who reads the job.
            return_code: the job's ``return-code``, 0 or more.
            retry: whether the job may run again, as after any other exception. By default the verdict is final.

        Raises:
            Invalid: there is no such return code.
        """
        super().__init__(message)
        self.return_code: int = checked("return-code", return_code)
        self.retry = retry


class Skipped(JobEngineError):
    """There is nothing to do for an element of a bulk job."""

    def __init__(
        self, reason: str, *, id: str | None = None, name: str | None = None, details: str | None = None
    ) -> None:
        """The reason groups elements in the result.

        Args:
            id: of the element, when another than its own is to be shown.
            name: of the element, for people.
            details: what is particular to this one.
        """
        super().__init__(reason)
        self.id, self.name, self.details = id, name, details


class Unfinished(Exception):  # it ends nothing badly: the job goes on without the action
    """The action's part is done, and the job stays RUNNING until its children have ended."""


class JobUpdateError(JobEngineError):
    """A change of the job was refused: this attempt does not hold it any more, or the API server said no."""


class WrongArguments(Invalid):
    """The payload does not fit the action's signature."""


class NotJson(JobEngineError):
    """What the action returned is not JSON."""


class Interrupted(BaseException):
    """The job is to end now. Raised inside an action that did not end by itself after an interruption.

    Not an ``Exception``, so that an action's own error handling lets it pass. An action that looks at
    ``job.interrupted`` itself may raise it, or just return.
    """
