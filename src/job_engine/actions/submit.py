"""``my_action.submit(...)``: from an action to a job, through the client."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from weakref import WeakKeyDictionary

from job_engine.actions.output import RUNNING
from job_engine.job.errors import Invalid, Unreachable
from job_engine.job.options import JobOptions

if TYPE_CHECKING:
    from job_engine.client import Client, JobHandle

T = TypeVar("T")
_clients: "WeakKeyDictionary[object, Client]" = WeakKeyDictionary()  # by the log of the job that runs here


class _Nowhere:
    """Outside jobs."""


_NOWHERE: Final = _Nowhere()
os.register_at_fork(after_in_child=_clients.clear)


class SubmitOptions(JobOptions, total=False):
    """What a job is to be beside its arguments; `JobOptions` has what else there is."""

    client: "Client"  # by default one that finds the engine as the command line does


class Submission:
    """An action with options, to be submitted once or often.

    Args:
        action: the action's name.
        options: for each of its jobs.
        check: refuses arguments that do not fit.
    """

    def __init__(
        self, action: str, options: SubmitOptions, check: Callable[[Mapping[str, Any]], None] = lambda arguments: None
    ) -> None:
        self._action = action
        self._check = check
        given: Any = dict(options)
        self._client: Client | None = given.pop("client", None)
        self._given: JobOptions = given

    def options(self, **options: Unpack[SubmitOptions]) -> "Submission":
        """The same with more options; a later one replaces an earlier one."""
        merged: Any = {"client": self._client, **self._given, **options}
        return Submission(self._action, merged, self._check)

    def submit(self, **arguments: Any) -> "JobHandle":
        """Add a job with these arguments; it is on disk when this returns.

        Raises:
            Invalid: the arguments do not fit the action.
            Unreachable: no engine is found, or it does not answer.
        """
        self._check(arguments)
        payload = arguments or None
        return self._call(lambda client: client.submit(self._action, payload=payload, **self._given))

    def submit_many(self, arguments: Iterable[Mapping[str, Any]]) -> "list[JobHandle]":
        """Add a job for each set of arguments, many at a time; the handles are in the same order.

        Raises:
            Invalid: some arguments do not fit the action; no job is added.
            Unreachable: no engine is found, or it does not answer.
        """
        if isinstance(arguments, str | Mapping):
            raise Invalid("submit_many takes a list of arguments, one dict for each job")
        payloads = [dict(each) for each in arguments]
        for each in payloads:
            self._check(each)
        return self._call(lambda client: client.submit_many(self._action, payloads, **self._given))

    def job(self, **arguments: Any) -> dict[str, Any]:
        """The document of a job with these arguments; nothing is added. What a distribution yields, for example.

        Raises:
            Invalid: an argument or option cannot be meant.
        """
        from job_engine.client.submission import Options, documents

        self._check(arguments)
        (document,) = documents(self._action, [arguments or None], Options.of(self._given), extended=True)
        return dict(document)

    def _call(self, call: "Callable[[Client], T]") -> T:
        if self._client is not None:
            return call(self._client)
        running = RUNNING.get() or _NOWHERE  # each job has a token of its own
        client = _clients.get(running)
        if client is None:
            from job_engine.client import Client

            client = _clients[running] = Client()
        try:
            return call(client)
        except Unreachable:
            _clients.pop(running, None)  # the engine may come back elsewhere
            raise
