"""Our record: a tick is one transaction there, made once whoever asks; it says what is paused and asked for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from job_engine.client.endpoint import refusal
from job_engine.client.wire import WireClient
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.documents import batches
from job_engine.distributor.records import PausedError, TickResult
from job_engine.distributor.repeated_error import RepeatedError
from job_engine.job.errors import UNREADABLE, Conflict, Invalid, JobEngineError, Unavailable
from job_engine.job.times import epoch, iso

if TYPE_CHECKING:
    from job_engine.queue import Lead

TICK_SECONDS: Final = 60.0
"""Seconds that the record may take for a tick of 10,000 jobs, and for what was before it."""
CALL_SECONDS: Final = 15.0
"""Seconds that it may take for anything else."""
PARKED_SECONDS: Final = 20.0
"""Seconds that a report waits there for something to be asked of us, at most: the most that the server takes."""
HASTY_SECONDS: Final = 1.0
"""Seconds: a parked report that says nothing new sooner than that (a server that stops) is not repeated at once."""
T = TypeVar("T")

log = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class _Job(msgspec.Struct):
    status: int
    message: str = ""


class _Ticked(msgspec.Struct, rename="kebab"):
    resource_ids: list[str] = []
    jobs: list[_Job] = []
    repeated: bool = False


class _Known(msgspec.Struct, rename="kebab"):
    name: str
    paused: bool = False
    run_at: str | None = None
    last_tick: str | None = None


class _Report(msgspec.Struct):
    distributions: list[_Known]


class _Document(msgspec.Struct):
    created: str


class EngineRecord:
    """The adapter of `Record` for the record of job-engine.

    Args:
        distributor: our name, as people see it.
    """

    def __init__(self, client: WireClient, distributor: str, telling: asyncio.Event) -> None:
        self.where = client.endpoint.url
        self._client = client
        self._distributor = distributor
        self._telling = telling
        self._trouble = RepeatedError(log, f"the API server at {self.where}")
        self._said: set[str] = set()  # what it does not take

    async def run(self, states: Sequence[DistributionState]) -> None:
        """Exchange reports about distributions, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell(states))
            tasks.create_task(self._listen(states))

    async def begin(self, state: DistributionState, lead: "Lead | None") -> int | None:
        """The due time of the newest tick that was made, at the start of a term."""
        (known,) = await self._report([_asked(state)])  # the rest is told apart: it may be refused
        state.heard(known.paused, known.run_at)
        if known.last_tick is not None:
            return milliseconds(known.last_tick)
        # Nobody has made one: what was due since somebody first told of the distribution was missed.
        return milliseconds((await self._call("GET", _path(state.name), None, CALL_SECONDS, _Document)).created)

    async def tick(
        self,
        state: DistributionState,
        due: int,
        jobs: list[bytes],
        after: int,
        lead: "Lead | None",
        still: Callable[[], bool],
    ) -> TickResult:
        """Make a tick, at most once for each due time."""
        made, before = TickResult(0), 0
        for number, part in enumerate(batches(jobs)):
            if not still():
                raise PausedError
            body = {
                "due": iso(due / 1000),
                "jobs": [msgspec.Raw(job) for job in part],
                "distributor": self._distributor,
                "next-tick": iso(after / 1000),
                **({"part": number} if number else {}),
            }
            try:
                answer = await self._call("POST", f"{_path(state.name)}/tick", _encode(body), TICK_SECONDS, _Ticked)
            except Conflict:
                raise PausedError from None
            made = TickResult(
                made.jobs + (0 if answer.repeated else len(answer.resource_ids)),
                (*made.refused, *((before + n, job.message) for n, job in enumerate(answer.jobs) if job.status == 400)),
                made.active + sum(job.status == 409 for job in answer.jobs),
                made.repeated or answer.repeated,
            )
            before += len(part)
        state.shown(next_tick=iso(after / 1000), last_error=None)
        return made

    async def finish(self, state: DistributionState, due: int, made: TickResult, lead: "Lead | None") -> None:
        """Do nothing: the transaction of the tick has noted it."""

    async def _tell(self, states: Sequence[DistributionState]) -> None:
        """Tell what has changed, together with what changed while the last telling was under way."""
        while True:
            await self._telling.wait()
            self._telling.clear()
            news = {state: told for state in states if (told := state.news()) is not None}
            if not news:
                continue
            try:
                await self._told(list(news.items()))
            except BaseException:
                for state, told in news.items():
                    state.untold(told)
                raise

    async def _told(self, news: Sequence[tuple[DistributionState, dict[str, Any]]]) -> None:
        """Tell this. What the server does not take is told fact by fact, and dropped where that does not help."""

        async def offered() -> Invalid | None:
            try:
                await self._report([{**_asked(state), **facts} for state, facts in news])
            except Invalid as error:
                return error
            return None

        refused = await self._patiently(offered)
        if refused is None:
            return
        (state, facts), *more = news
        if more:
            parts = [[each] for each in news]
        elif len(facts) > 1:
            parts = [[(state, {fact: value})] for fact, value in facts.items()]
        else:
            (fact,) = facts
            said = f"distribution {state.name}: the API server does not take its {fact}: {refused.message}"
            log.log(logging.DEBUG if said in self._said else logging.WARNING, "%s; it is not told", said)
            self._said.add(said)
            return
        for part in parts:
            await self._told(part)

    async def _listen(self, states: Sequence[DistributionState]) -> None:
        """Keep one report parked: it is answered when something is asked of us."""
        while True:
            before = [state.known for state in states]
            began = time.monotonic()
            await self._patiently(lambda: self._heard(states))
            if before == [state.known for state in states] and time.monotonic() - began < HASTY_SECONDS:
                await asyncio.sleep(HASTY_SECONDS)

    async def _heard(self, states: Sequence[DistributionState]) -> None:
        answers = await self._report([_asked(state) for state in states], PARKED_SECONDS)
        for state, known in zip(states, answers, strict=True):
            state.heard(known.paused, known.run_at)

    async def _report(self, distributions: list[dict[str, Any]], wait: float = 0.0) -> list[_Known]:
        body = {"distributor": self._distributor, "wait": wait, "distributions": distributions}
        try:
            sent = _encode(body)
        except UnicodeEncodeError as error:  # a lone surrogate in what an author wrote
            raise Invalid(f"it is not Unicode text: {error}") from None
        answer = await self._call("POST", "/api/distribution/report", sent, wait + CALL_SECONDS, _Report)
        if [known.name for known in answer.distributions] != [asked["name"] for asked in distributions]:
            raise JobEngineError("the server's answer to a report is not what it should be; is its version newer?")
        return answer.distributions

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await self._trouble.until_answered(call, of=(JobEngineError,))

    async def _call(self, method: str, path: str, body: bytes | None, timeout: float, kind: type[T]) -> T:
        status, answered = await self._client.request(method, path, body, timeout=timeout)
        if status >= 400:
            error = refusal(status, answered)
            raise Unavailable(error.message) if status >= 500 else error
        try:
            return msgspec.json.decode(answered, type=kind)
        except UNREADABLE as error:
            raise JobEngineError(
                f"the server's answer is not what it should be: {error}; is its version newer?"
            ) from None


def milliseconds(text: str) -> int:
    """A time of the API in milliseconds since the epoch."""
    return round(epoch(text) * 1000)


def _path(name: str) -> str:
    return f"/api/distribution/{quote(name)}"


def _asked(state: DistributionState) -> dict[str, Any]:
    paused, run_at = state.known
    return {"name": state.name, "paused": paused, "run-at": run_at}
