"""The client: jobs of one API server, for authors and the command line."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Unpack
from urllib.parse import quote, urlencode

from uuid_utils import uuid7

from job_engine.client.administration import Administration
from job_engine.client.connection import Connection
from job_engine.client.discovery import Found, find
from job_engine.client.endpoint import Credentials, Endpoint, refusal
from job_engine.client.handle import JobHandle, job_id
from job_engine.client.responses import Event, EventList, Explanation, LogPage, decoded
from job_engine.client.submission import Options, documents, key_header, slices
from job_engine.job import json_value
from job_engine.job.errors import Conflict, Forbidden
from job_engine.job.options import JobOptions
from job_engine.job.states import State, is_final

TIMEOUT: Final = 30.0
"""Seconds that a call may take, with its repeats while the server is briefly away."""
PAGE: Final = 1000
"""Documents that are asked for at once where all are wanted."""
POLL: Final = 1.0
"""Seconds between two looks at a job of a server that has no wait operation (Nuvla's)."""


class Client(Administration):
    """Submits and looks after jobs; may be used by several threads.

    Without arguments it finds the engine as the command line does: ``JOB_ENGINE_API_URL`` and its like, a profile, or
    the ``job-engine up`` that runs on this machine. In an action it may do what the owner of its job may, until the
    attempt ends. It and its handles can be pickled; its credentials go with them.

    Args:
        url: of the API server, such as ``http://127.0.0.1:8080``.
        username, password: of a user; or
        key, secret: an API key; or
        header: a value of ``nuvla-authn-info`` for a server that trusts this machine.
        data: the data folder of an engine on this machine.
        profile: a profile in the user's configuration folder.
        insecure: accept any TLS certificate.
        ca: file with the certificates of the authorities to trust, instead of the system's.
        cert, cert_key: files with our certificate, for a server that asks for one, and its key.
        timeout: seconds that a call may take.
        environ: instead of this process's environment.
        mask_secrets: documents come without the arguments that actions declare secret, to be shown to people.

    Raises:
        Invalid: the URL, a certificate, or a file that names the engine is not as it should be.
        Unreachable: nothing names an engine. Whether it answers shows at the first call; in an action, at once.
        Forbidden: an executor runs this code, in a thread or process that no job runs in; or the attempt has ended.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        header: str | None = None,
        data: Path | str | None = None,
        profile: str | None = None,
        insecure: bool | None = None,
        ca: Path | str | None = None,
        cert: Path | str | None = None,
        cert_key: Path | str | None = None,
        timeout: float = TIMEOUT,
        environ: Mapping[str, str] | None = None,
        mask_secrets: bool = False,
    ) -> None:
        self._secrets: dict[str, str] = {"secrets": "mask"} if mask_secrets else {}
        found = find(
            environ=os.environ if environ is None else environ,  # noqa: TID251 (for programs, as cli/ is for people)
            url=url,
            credentials=Credentials(username=username, password=password, key=key, secret=secret, header=header),
            insecure=insecure,
            ca=_text(ca),
            cert=_text(cert),
            cert_key=_text(cert_key),
            data=data,
            profile=profile,
        )
        self._begin(found, timeout)

    @classmethod
    def of(cls, found: Found, *, timeout: float = TIMEOUT) -> "Client":
        """A client of a server that has been found."""
        client = cls.__new__(cls)
        client._secrets = {}
        client._begin(found, timeout)
        return client

    def _begin(self, found: Found, timeout: float) -> None:
        self.found = found
        self._connection = Connection(Endpoint.of(found.url), found.credentials, tls=found.tls, timeout=timeout)
        self._extended: bool | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.found, self._connection.timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.found.url

    @property
    def extended(self) -> bool:
        """Whether the server advertises our extension attributes (asked once)."""
        return self._is_extended(None)

    def _is_extended(self, until: float | None) -> bool:
        if self._extended is None:
            reply = self._connection.call("GET", "/api/resource-metadata/job", until=until)
            if reply.status >= 500:
                raise refusal(reply.status, reply.body)
            self._extended = reply.status < 400 and b'"idempotency-key"' in reply.body
        return self._extended

    def submit(
        self,
        action: str,
        *,
        payload: Any = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle:
        """Adds a job with what JSON can say as its ``payload``; `JobOptions` has what else it may be.

        Once this returns the job is on disk and will be done. A repeat after a lost answer adds nothing twice.

        Raises:
            Invalid: the server does not take such a job.
            Conflict: another is active, and ``unless_active`` was asked for; or its parent is a canceled bulk job.
            Forbidden: you may not add jobs.
            Unreachable: no answer; whether the job was added is not known, unless you repeat it with the same key.
        """
        chosen, extended = Options.of(options), self.extended
        (document,) = documents(action, [payload], chosen, extended=extended)
        body = json_value.encode(document, "the job", nan=True)  # a payload with one was refused
        headers = key_header(chosen) if extended else None
        answer = self._json("POST", "/api/job", body, repeatable=extended, headers=headers)
        return JobHandle(self, str(answer["resource-id"]))

    def submit_many(
        self,
        action: str,
        payloads: Iterable[Any],
        **options: Unpack[JobOptions],
    ) -> list[JobHandle]:
        """Adds a job for each payload, many at a time; the handles are in the order of the payloads.

        Each slice of some hundred jobs is added as a whole or not at all; those before one that fails are added.

        Raises:
            As `submit` does.
        """
        chosen = Options.of(options)
        found = documents(action, payloads, chosen, extended=self.extended)
        handles: list[JobHandle] = []
        for n, part in enumerate(slices(found)):
            if self.extended:
                headers = key_header(chosen, n)
                answer = self._json("POST", "/api/job", b"[" + b",".join(part) + b"]", headers=headers)
                handles += [JobHandle(self, str(added)) for added in answer["resource-ids"]]
            else:
                for body in part:
                    answer = self._json("POST", "/api/job", body, repeatable=False)
                    handles.append(JobHandle(self, str(answer["resource-id"])))
        return handles

    def job(self, job: "str | JobHandle") -> JobHandle:
        """The job of this id, ``job/UUID`` or ``UUID``.

        Raises:
            NotFound: there is none that you may see.
        """
        return JobHandle(self, job_id(job)).refresh()

    def jobs(
        self,
        filter: str | None = None,
        *,
        select: Iterable[str] | None = None,
        orderby: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> list[JobHandle]:
        """The jobs that match, with the documents as they are now.

        Args:
            filter: in CIMI's language, such as ``state='FAILED' and action='hash'``.
            select: names of attributes; the documents have only those.
            orderby: such as ``created:desc``; without it in no order.
            first, last: the part of them, from 1; by default up to 10,000.
        """
        found = self.search("job", filter=filter, select=select, orderby=orderby, first=first, last=last)
        return [JobHandle(self, document["id"], document) for document in found["resources"]]

    def each(
        self, resource_type: str, filter: str | None = None, *, select: Iterable[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The documents that match, however many, in the order of their ids; they are asked for page by page."""
        wanted = select if select is None or isinstance(select, str) else tuple(select)
        last = ""
        while True:
            after = f"id>'{last}'" if last else None
            both = f"({filter}) and {after}" if filter and after else filter or after
            page = self.search(resource_type, filter=both, select=wanted, orderby="id", last=PAGE)["resources"]
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1]["id"]

    def count(self, filter: str | None = None) -> int:
        """How many jobs match."""
        return int(self.search("job", filter=filter, last=0)["count"])

    def search(
        self,
        resource_type: str,
        *,
        filter: str | None = None,
        select: Iterable[str] | None = None,
        orderby: str | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> dict[str, Any]:
        """A collection of resources as CIMI answers it: ``count``, ``resources``."""
        asked = {
            "filter": filter,
            "select": select if select is None or isinstance(select, str) else ",".join(select),
            "orderby": orderby,
            "first": first,
            "last": last,
        }
        query = urlencode({**{name: value for name, value in asked.items() if value is not None}, **self._secrets})
        found: dict[str, Any] = self._json("GET", f"/api/{quote(resource_type)}{'?' if query else ''}{query}")
        return found

    def document(self, job: "str | JobHandle", *, until: float | None = None) -> dict[str, Any]:
        """The document of a job; ``until``, on the monotonic clock, the server has to answer."""
        path = _path(job) + (f"?{urlencode(self._secrets)}" if self._secrets else "")
        found: dict[str, Any] = decoded(self._connection.call("GET", path, until=until), dict)
        return found

    def wait_for(
        self, job: "str | JobHandle", seconds: float, *, updated: str | None = None, until: float | None = None
    ) -> dict[str, Any]:
        """The job's document, as soon as it is final, or differs from the one of ``updated``, or ``seconds`` passed.

        ``until``, on the monotonic clock, the server has to answer.
        """
        if not self._is_extended(until):
            return self._poll(job, seconds, updated, until)
        asked = {"timeout": f"{seconds:.3f}", **({"since": updated} if updated is not None else {}), **self._secrets}
        reply = self._connection.call("GET", f"{_path(job)}/wait?{urlencode(asked)}", parked=seconds, until=until)
        found: dict[str, Any] = decoded(reply, dict)
        return found

    def cancel(self, job: "str | JobHandle") -> JobHandle:
        """Cancels a job; one that is canceled already stays so.

        Raises:
            Conflict: it has ended otherwise.
            Forbidden: you may not.
        """
        try:
            answer = self._json("POST", f"{_path(job)}/cancel", b"{}")
        except (Forbidden, Conflict):  # Nuvla answers 403 for a final job
            found = self.job(job)
            state = found.document["state"]
            if state == State.CANCELED:
                return found
            if is_final(state):
                raise Conflict(f"{found.id} has ended already: {state}") from None
            raise
        return JobHandle(self, job_id(job), answer if "state" in answer else None)

    def retry(self, job: "str | JobHandle") -> JobHandle:
        """Adds a new job that does again what a final one did, linked to it by ``retry-of``.

        Raises:
            Conflict: the job is not final.
            Forbidden: you may not.
        """
        key = {"idempotency-key": str(uuid7())}  # so that a repeat adds nothing twice
        reply = self._connection.call("POST", f"{_path(job)}/retry", b"{}", headers=key)
        return JobHandle(self, str(decoded(reply, dict)["resource-id"]))

    def delete(self, job: "str | JobHandle") -> None:
        """Deletes a job; one that runs is interrupted.

        Raises:
            NotFound: there is none.
            Forbidden: you may not.
        """
        reply = self._connection.call("DELETE", _path(job))
        if reply.status >= 400 and not (reply.status == 404 and reply.repeated):
            raise refusal(reply.status, reply.body)

    def logs(self, job: "str | JobHandle", *, after: str | None = None, wait: float = 0.0) -> LogPage:
        """Lines of a job's log.

        Args:
            after: the ``next`` of the page before.
            wait: seconds to wait for a line, when there is none and the job is not final.
        """
        query = urlencode({"wait": f"{wait:.3f}", **({} if after is None else {"after": after})})
        return decoded(self._connection.call("GET", f"{_path(job)}/log?{query}", parked=wait), LogPage)

    def events(self, job: "str | JobHandle") -> list[Event]:
        """The history of a job, oldest first."""
        return decoded(self._connection.call("GET", f"{_path(job)}/events"), EventList).events

    def explain(self, job: "str | JobHandle", *, until: float | None = None) -> Explanation:
        """Why a job is where it is; ``until``, on the monotonic clock, the server has to answer."""
        return decoded(self._connection.call("GET", f"{_path(job)}/explain", until=until), Explanation)

    def close(self) -> None:
        """Closes the connections; a later call makes new ones."""
        self._connection.close()

    def _poll(self, job: "str | JobHandle", seconds: float, updated: str | None, until: float | None) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            found = self.document(job, until=until)
            left = deadline - time.monotonic()
            if is_final(found["state"]) or updated not in (None, found.get("updated")) or left <= 0:
                return found
            time.sleep(min(POLL, left))


@lru_cache(maxsize=8)
def _unpickled(found: Found, timeout: float) -> Client:
    """One client for all handles of one server that come to this process."""
    return Client.of(found, timeout=timeout)


def _text(path: Path | str | None) -> str | None:
    return None if path is None else str(path)


def _path(job: "str | JobHandle") -> str:
    return f"/api/{quote(job_id(job))}"
