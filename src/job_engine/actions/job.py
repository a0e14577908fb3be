"""The author's job: Nuvla's ``Job`` (``nuvla.job_engine.job.job``, 5.1), and what makes an interrupted job go on."""

import json
import logging
import math
import os
import threading
import time
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import msgspec

from job_engine.actions.errors import Interrupted, JobUpdateError
from job_engine.actions.interruption import LOST, Interruption
from job_engine.actions.output import JobLogger, Output, clean
from job_engine.actions.result import encode
from job_engine.job.attributes import checked
from job_engine.job.errors import Unreachable
from job_engine.job.states import State

if TYPE_CHECKING:
    from job_engine.actions.hold import Hold
    from job_engine.job.attend import Granted

RUNNING: Final = State.RUNNING.value
NO_MESSAGE: Final = "< status message empty >"
"""What upstream writes when an action sets an empty message."""
OPERATIONS: Final = ("edit", "delete", "cancel", "get-context")
"""What a job's holder may do with the job, besides running it."""
LOGIN_PAUSE: Final = 1.0
"""Seconds between two tries to log in at a server that cannot be reached; each of them tries for a while by itself."""

_connecting = threading.Lock()


def _forked() -> None:
    global _connecting  # another thread of the parent may have had it
    _connecting = threading.Lock()


os.register_at_fork(after_in_child=_forked)
_log = logging.getLogger("job_engine.job")
_document: Final = msgspec.json.Decoder(dict[str, Any])


class _NoItem(AttributeError, KeyError):
    """The job has no such attribute: upstream raises KeyError, Python expects AttributeError."""


class Job(dict[str, Any]):
    """A job while one attempt of it runs: its document, read-only, and what the action may do with it.

    The items of the document are attributes too: ``job.action``, ``job["target-resource"]``. Changes are seen here at
    once, and by others with the executor's next exchange, a moment later: of a progress that is set a thousand times
    a second a few values are sent. A wrong value raises `Invalid`; a change after the hold has ended `JobUpdateError`.
    """

    __slots__ = (
        "_api", "_changed", "_checkpoint", "_cimi_job", "_context", "_hold", "_logger", "_payload",
        "attempt", "captured", "failures", "id", "interrupted", "resumed",
    )  # fmt: skip

    id: str
    attempt: int
    """How many times the job was claimed, this one included: part of a key for what must not happen twice."""
    resumed: bool
    """An earlier attempt has started."""
    failures: int
    """How many earlier attempts raised an exception."""
    interrupted: Interruption
    """Set when the job is to end."""
    captured: Output
    """The job's log."""

    def __init__(self, granted: "Granted", hold: "Hold") -> None:
        document = _document.decode(granted.document)
        if granted.changes:
            document.update(granted.changes)
        if "execution-mode" not in document:
            document["execution-mode"] = "push"
        if "progress" not in document:
            document["progress"] = 0
        document["resource-type"] = "job"
        document["state"] = RUNNING
        document["action"] = granted.action
        document["id"] = granted.id
        super().__init__(document)
        self.id = granted.id
        self.attempt = granted.attempt
        self.resumed = granted.resumed
        self.failures = granted.failures
        self.interrupted = hold.interrupted
        self.captured = Output(hold.log, self.interrupted.shielded)
        self.captured.hold = hold
        self._hold = hold
        self._checkpoint: bytes | msgspec.Raw | None = granted.checkpoint
        self._changed: dict[str, Any] = {}
        self._api: Any = None
        self._context: Any = None
        self._cimi_job: Any = None
        self._payload: Any = None
        self._logger: JobLogger | None = None

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise _NoItem(f"{self.id} has no {name!r}") from None

    def _read_only(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a job does not support item assignment: use set_progress(), update_job() and the like")

    __setitem__ = __delitem__ = __ior__ = _read_only
    update = setdefault = pop = popitem = clear = _read_only

    # What an action reads.

    @property
    def api(self) -> Any:
        """A ``nuvla.api.Api``, logged in, whose requests carry the hold; connected at the first use.

        A server that cannot be reached for the login is waited for; after ``--api-grace`` the job is given back.
        """
        if self._api is None:
            self._nuvla()
            self._connect()
        return self._api

    def _connect(self) -> None:
        waited: float | None = None  # since when
        while self._api is None:
            try:
                with _connecting:
                    if self._api is None:
                        self._api = self._hold.connect()
            except Unreachable as error:  # it is no fault of the job, so the job does not fail by it
                now = time.monotonic()
                waited = now if waited is None else waited
                if now - waited >= self._hold.api_grace:
                    self.interrupted.set(LOST)
                if self.interrupted.wait(LOGIN_PAUSE):
                    raise Interrupted(f"{self.id} is given back: {error.message}") from error

    @property
    def cimi_job(self) -> Any:
        """The document as a ``nuvla.api.models.CimiResource``, as it was claimed."""
        if self._cimi_job is None:
            operations = [{"rel": "edit", "href": self.id}, {"rel": "delete", "href": self.id}]
            operations += [{"rel": name, "href": f"{self.id}/{name}"} for name in OPERATIONS[2:]]
            self._cimi_job = self._nuvla().models.CimiResource({**self, "operations": operations})
        return self._cimi_job

    @property
    def payload(self) -> Any:
        """The payload, parsed, or the text itself if it is not JSON; None if there is none."""
        if self._payload is None and self.get("payload"):
            try:
                self._payload = json.loads(self["payload"])
            except (ValueError, RecursionError):
                self._payload = self["payload"]
        return self._payload

    @property
    def context(self) -> Any:
        """The documents that the API server chooses for the action, by id."""
        if self._context is None:
            self._context = self.api.operation(self.cimi_job, "get-context").data
        return self._context

    @property
    def is_in_pull_mode(self) -> bool:
        """Whether a NuvlaEdge runs the job by its id."""
        return bool(self["execution-mode"] == "pull")

    @property
    def nuvlaedge_shared_path(self) -> str | None:
        """The folder that a NuvlaEdge shares with its jobs."""
        return self._hold.nuvlaedge_shared_path

    @property
    def target_resource_href(self) -> str:
        """The id of the target resource.

        Raises:
            KeyError: the job has none.
        """
        return cast("str", self["target-resource"]["href"])

    @property
    def logger(self) -> JobLogger:
        """Logs to the job's log, from any thread."""
        if self._logger is None:
            self._logger = JobLogger(_log, self.captured)
        return self._logger

    # What an action writes.

    @property
    def checkpoint(self) -> Any:
        """What an attempt saved last, for the next one to go on from; None before that.

        Any JSON value, `PAYLOAD_LIMIT` at most. It is kept when it is assigned: changing what was read keeps nothing.
        """
        return None if self._checkpoint is None else msgspec.json.decode(self._checkpoint)

    @checkpoint.setter
    def checkpoint(self, value: Any) -> None:
        encoded = encode(value, "the checkpoint")
        self._require_hold()
        if not self.interrupted.shielded(self._hold.save, encoded):
            self._require_hold()
        self._checkpoint = encoded

    def set_progress(self, progress: float) -> None:
        """Percent done, 0 to 100; kept as a whole number, to which it is rounded."""
        self._change({"progress": progress})

    def set_status_message(self, status_message: str) -> None:
        """What the job says of itself."""
        self._change({"status-message": status_message})

    def set_return_code(self, return_code: int) -> None:
        """A whole number, 0 or more."""
        self._change({"return-code": return_code})

    def set_state(self, state: str) -> None:
        """Any state but ``RUNNING`` ends the attempt's hold, and is in the record when this returns."""
        self._change({"state": state})

    def update_job(
        self,
        state: str | None = None,
        return_code: int | None = None,
        status_message: str | None = None,
        progress: float | None = None,
        execution_mode: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        """Change several attributes at once; None leaves one as it is."""
        given = {
            "state": state,
            "return-code": return_code,
            "status-message": status_message,
            "progress": progress,
            "execution-mode": execution_mode,
            "tags": tags,
        }
        self._change({name: value for name, value in given.items() if value is not None})

    def add_affected_resource(self, affected_resource: str) -> None:
        """Note the id of a resource that the job changes."""
        self.add_affected_resources([affected_resource])

    def add_affected_resources(self, affected_resources: Iterable[str]) -> None:
        """Note the ids of resources that the job changes."""
        present = self.get("affected-resources") or []
        known = {resource["href"] for resource in present}
        if more := [{"href": href} for href in dict.fromkeys(_several(affected_resources)) if href not in known]:
            self._change({"affected-resources": [*present, *more]})

    def add_nested_job(self, nested_job: str) -> None:
        """Note the id of a job that this one made."""
        self.add_nested_jobs([nested_job])

    def add_nested_jobs(self, nested_jobs: Iterable[str]) -> None:
        """Note the ids of jobs that this one made."""
        present = self.get("nested-jobs") or []
        if more := [job for job in dict.fromkeys(_several(nested_jobs)) if job not in present]:
            self._change({"nested-jobs": [*present, *more]})

    # Acting as somebody else.

    def get_api(self, authn_info: dict[str, Any]) -> Any:
        """A ``nuvla.api.Api`` that acts as ``{user-id, active-claim, claims}``, by header."""
        identity = [authn_info["user-id"], authn_info["active-claim"], *authn_info["claims"]]
        api = self._nuvla().Api(
            endpoint=self.api.endpoint,
            insecure=not self.api.session.verify,
            persist_cookie=False,
            reauthenticate=True,
            authn_header=" ".join(identity),
        )
        self.interrupted.shielded(import_module, "job_engine.client.nuvla").apply_policy(api)
        api.session.mount("https://", self.api.session.get_adapter("https://"))  # which trusts what ours does
        return api

    def get_user_api(self) -> Any:
        """A ``nuvla.api.Api`` that acts as whom the payload's ``authn-info`` names."""
        return self.get_api(self.payload["authn-info"])

    # What the run loop asks.

    def has_set(self, name: str) -> bool:
        """Whether this attempt has set the attribute."""
        return name in self._changed

    def _change(self, given: dict[str, Any]) -> None:
        if not given:
            return
        if "status-message" in given:
            text = clean(str(given["status-message"] or ""))
            text = text if self.captured.mask is None else self.captured.mask(text)
            given["status-message"] = text if text.strip() else NO_MESSAGE
        if isinstance(progress := given.get("progress"), float) and math.isfinite(progress):
            given["progress"] = round(progress)
        changes = {name: checked(name, value) for name, value in given.items()}
        self._require_hold()
        if changes.get("state", RUNNING) == RUNNING:
            self.interrupted.shielded(self._hold.write, changes)
            self._changed.update(changes)
            dict.update(self, changes)
        else:
            self._changed.update(changes)
            self._edit(self._changed)  # with what was not sent yet: after this edit it would come too late

    def _nuvla(self) -> Any:
        """The package ``nuvla.api``, imported when it is needed; an import that is cut short leaves its lock taken."""
        return self.interrupted.shielded(import_module, "nuvla.api")

    def _require_hold(self) -> None:
        if self.interrupted.over:
            raise JobUpdateError(f"{self.id} is not held by this attempt any more ({self.interrupted.reason})")

    def _edit(self, changes: dict[str, Any]) -> None:
        nuvla = self._nuvla()
        from requests import RequestException

        try:
            answer = self.api.edit(self.id, changes).data
        except (nuvla.NuvlaError, RequestException) as error:
            raise JobUpdateError(f"{self.id}: {', '.join(changes)} could not be changed: {error}") from error
        dict.update(self, answer)


def _several(texts: Iterable[str]) -> Iterable[str]:
    """Texts; one by itself is not taken for its letters."""
    return (texts,) if isinstance(texts, str) else texts
