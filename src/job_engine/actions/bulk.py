"""Bulk jobs: one job that does something to many elements, at once or through a child job for each."""

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, NoReturn, TypeVar

from job_engine.actions.errors import Failed, Interrupted, JobUpdateError, Skipped, Unfinished
from job_engine.actions.job import Job
from job_engine.job.backoff import pauses
from job_engine.job.bulk import MONITOR, BulkResult, own_tags
from job_engine.job.bulk_message import found
from job_engine.job.entry_point import ENTRY_POINT, is_ours
from job_engine.job.errors import JobEngineError
from job_engine.job.foreign import kind, text

T = TypeVar("T")

CHUNK: Final = 500
"""Children that are added by one request."""
PACE: Final = 1.0
"""Seconds between two reports of the result so far, which can be a large text."""
KNOWN: Final = 60_000
"""Elements done at once that a checkpoint can name, each by a few bytes; of more it names the first."""
MARK: Final = 8
"""Bytes of such a name: enough that no two of them are the same."""
KEY_LIMIT: Final = 255
"""Characters of an idempotency key."""
PAUSES: Final = (0.5, 5.0)
"""Seconds: the first pause before a request to a server that is away is made again, and the longest; they double."""
AWAY: Final = (502, 503, 504)
"""Statuses of a server that cannot answer now."""
NOT_ADDED: Final = "Job not added"
"""Why an element failed whose child the server did not take; its own sentence is the element's message."""
THERE: Final = "Such a job is there already"
"""Why one was skipped of which another job is active."""


class BulkAction:
    """A Nuvla-style action over many elements; its subclasses say what to do with one, and `do_work` does the rest.

    The result is in the job's status message as Nuvla's engine writes it, and what failed decides how the job ends;
    beside a Nuvla server it is SUCCESS, because people see results there only of such. A job that made children stays
    RUNNING with the tag ``monitor`` until all have ended. An interrupted job goes on where it was: a child is made once
    for an element, and elements that were done before its last report, at most `PACE` seconds earlier, are not done
    again. ::

        @action("bulk-restart")
        class BulkRestart(BulkAction):
            def get_todo(self):
                return self.job.payload["deployments"]

            def action(self, deployment):
                return {"action": "restart", "target-resource": {"href": deployment}}
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.result = BulkResult()
        self._children: list[tuple[str, dict[str, Any]]] = []
        self._done = bytearray()  # the marks of elements that need not be looked at again
        self._left = 0  # how many of these were left to jobs that others made
        self._said = 0.0

    # What subclasses say.

    def get_todo(self) -> Iterable[Any]:
        """The elements; asked anew by each attempt."""
        raise Failed(f"{type(self).__name__} does not say what there is to do: it needs get_todo()")

    def action(self, todo_el: Any) -> Any:
        """Do one element: return the document of a child job, or nothing when it is done.

        An answer of ``job.api`` says by its ``status`` whether the element is done (200, 201) or queued (202).

        Raises:
            Skipped: there is nothing to do for it.
            Exception: it failed; the text is the reason.
        """
        raise Failed(f"{type(self).__name__} does not say what to do: it needs action()")

    def todo_resource_id(self, todo_el: Any) -> str:
        """The id under which the result names an element; two elements with one id are the same."""
        return str(todo_el)

    # What the engine calls.

    def do_work(self) -> int:
        """Do all elements; 0 when none failed, 1 otherwise."""
        todo = {self.todo_resource_id(element): element for element in self.get_todo()}
        done = self._resume()
        left = [(id_, element) for id_, element in todo.items() if _mark(id_) not in done]
        self.result.total = self.result.settled + self.result.queued_count + len(left)
        for id_, element in left:
            if self.job.interrupted:
                break
            self._try(id_, element)
            if len(self._children) >= CHUNK:
                self._add()
            if time.monotonic() >= self._said + PACE:
                self._report()
        if not self.job.interrupted:
            self._add()
        if self.job.interrupted:  # what was not added is asked for again
            self._report()
            raise Interrupted
        if self.result.queued_count:
            self._leave()
        self._tell()
        return 1 if self.result.failed_count and self._may_fail() else 0

    def _resume(self) -> set[bytes]:
        """The marks of what an earlier attempt has settled, or left to jobs that others made."""
        saved = self.job.checkpoint
        result = found(saved.get("bulk")) if isinstance(saved, dict) else None
        if result is None:
            return set()
        self.result, self._left = result, saved["left"]
        # children are not among them: they are asked for again, and the server knows them by their keys
        result.queued, result.queued_count, result.jobs_count = [], self._left, self._left
        self._done = bytearray(b64decode(saved["done"]))
        return {bytes(self._done[at : at + MARK]) for at in range(0, len(self._done), MARK)}

    def _try(self, id_: str, element: Any) -> None:
        try:
            answer = self.action(element)
            if isinstance(answer, dict) and "action" in answer:
                json.dumps(answer, allow_nan=False)  # what cannot be sent fails here, and so alone
                self._children.append((id_, answer))
                return
            self._settle(id_, answer)
        except JobUpdateError:  # the job is lost
            raise
        except Skipped as skipped:
            self.result.skipped(skipped.message, skipped.id or id_, skipped.name, skipped.details)
        except JobEngineError as error:
            self.result.failed(error.message, id_)
        except Exception as error:  # noqa: BLE001 - the boundary between elements: one that fails does not stop the others
            self.result.failed(text(error) or kind(error), id_)
        self._done += _mark(id_)

    def _settle(self, id_: str, answer: Any) -> None:
        data = getattr(answer, "data", None)
        status = data.get("status") if isinstance(data, dict) else None
        if status == 202:
            self.result.queue(id_)
            self._left += 1
        elif status == 201:
            self.result.succeeded(data.get("resource-id") or id_)  # type: ignore[union-attr]
        elif status in (None, 200):
            self.result.succeeded(id_)
        else:
            raise Failed(f"Unexpected action response status {status}")

    # Children.

    def _add(self) -> None:
        """Make the children that were asked for, in one request where the server can do that."""
        asked, self._children = self._children, []
        documents = [self._child(id_, document) for id_, document in asked]
        for (id_, _), said in zip(asked, self._sent(documents), strict=True):
            if said is None:
                self.result.queue(id_)
                continue
            status, message = said
            if status == 409:
                self.result.skipped(THERE, id_, message=message)
            else:
                self.result.failed(NOT_ADDED, id_, message=message)
            self._done += _mark(id_)

    @cached_property
    def _ours(self) -> bool:
        """Whether the server takes many jobs at once, and keys; a Nuvla server does not."""
        return is_ours(self._patiently(lambda: self.job.api.get(ENTRY_POINT).data))

    @cached_property
    def _acl(self) -> dict[str, Any]:
        """The job's: who may look after it may look after its children."""
        return self._patiently(lambda: self.job.api.get(self.job.id).data).get("acl") or {}

    def _child(self, id_: str, document: dict[str, Any]) -> dict[str, Any]:
        child = {"parent-job": self.job.id, **({"acl": self._acl} if self._acl else {}), **document}
        if self._ours:
            key = f"{self.job.id} {id_}"
            child.setdefault(
                "idempotency-key", key if len(key) <= KEY_LIMIT else f"{self.job.id} {_mark(id_, 32).hex()}"
            )
        return child

    def _sent(self, documents: list[dict[str, Any]]) -> "list[tuple[int, str] | None]":
        """What the server has against each of them: a status and a sentence, or nothing."""
        if len(documents) < 2 or not self._ours:
            return [self._sent_alone(document) for document in documents]
        if self._patiently(lambda: self._posted(documents)) == 201:
            return [None] * len(documents)
        middle = len(documents) // 2  # all or none are added, so that is how a bad one fails alone
        return [*self._sent(documents[:middle]), *self._sent(documents[middle:])]

    def _posted(self, documents: list[dict[str, Any]]) -> int:
        """The status of one request for all: 201, 400 or 409."""
        from nuvla.api import NuvlaError

        api = self.job.api
        answer = api.session.post(f"{api.endpoint}/api/job", json=documents)
        if answer.status_code not in (201, 400, 409):
            raise NuvlaError(f"the children could not be added: {answer.text[:500]}", answer)
        return int(answer.status_code)

    def _sent_alone(self, document: dict[str, Any]) -> tuple[int, str] | None:
        from nuvla.api import NuvlaError
        from requests import RequestException

        def post() -> None:
            self.job.api.add("job", document)

        try:
            self._patiently(post) if self._ours else post()
        except NuvlaError as error:
            return getattr(error.response, "status_code", 400), str(error.reason)
        except RequestException as error:  # a Nuvla server knows no keys, so this cannot be repeated
            return 0, f"whether it was added is not known: {error}"
        return None

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call that may be repeated until the server answers, or the job is interrupted because it does not."""
        from nuvla.api import NuvlaError
        from requests import exceptions

        pause = pauses(*PAUSES)
        while True:
            try:
                return call()
            except NuvlaError as error:
                if getattr(error.response, "status_code", 400) not in AWAY:
                    raise
            except (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError) as error:
                self.job.logger.warning("the API server does not answer, it is asked again: %s", error)
            if self.job.interrupted.wait(next(pause)):
                raise Interrupted

    # What it says.

    def _tell(self) -> None:
        self._said = time.monotonic()
        self.job.update_job(status_message=self.result.text(), progress=min(self.result.progress, 99))

    def _report(self) -> None:
        """Tell the result so far, and keep it for an attempt that follows."""
        self._tell()
        if len(self._done) <= KNOWN * MARK:
            done = b64encode(self._done).decode()
            self.job.checkpoint = {"bulk": self.result.text(), "done": done, "left": self._left}

    def _leave(self) -> NoReturn:
        self._tell()
        self.job.update_job(tags=[*own_tags(self.job.get("tags") or ()), MONITOR])
        raise Unfinished

    def _may_fail(self) -> bool:
        """Whether a job of which elements failed ends as FAILED."""
        try:
            return self._ours
        except Exception:  # noqa: BLE001 - a test without an API, or one that is away now: the verdict is not worth a retry
            return True


def _mark(id_: str, size: int = MARK) -> bytes:
    return blake2b(id_.encode(errors="surrogatepass"), digest_size=size).digest()
