"""``@distribution``: what makes a function a source of jobs on a schedule."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from functools import update_wrapper
from typing import Any, Final, Generic, ParamSpec, TypeVar

from job_engine.distributor.tick import Tick
from job_engine.job.errors import Invalid, JobEngineError
from job_engine.job.schedule import Missed, Schedule, schedule
from job_engine.job.times import seconds

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT: Final = 600.0
"""Seconds that a function may take for one tick, unless it says otherwise: enough to ask many systems."""
MOST: Final = 100_000
"""Jobs of one tick; more are taken for a loop that does not end."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class NoJobsError(JobEngineError):
    """What a distribution returns is neither a job document nor a series of them."""


class Distribution(Generic[P, R]):
    """A function that makes jobs on a schedule. Calling it calls the function: no engine is needed.

    Args:
        target: the function; takes nothing, or the `Tick`.
        name: of the distribution, and of its election; default: the function's name with ``-`` for ``_``.
        every, cron, timezone: see `job.schedule.schedule`.
        missed: what becomes of ticks that nobody made when they were due: ``skip``, ``once`` or ``all``.
        unless_active: a job is not made while one of the same action and target is queued or running.
        timeout: seconds, or text such as ``"10m"``, that the function may take.
        registered: the name by which ``--distribution-exclude`` knows it; default: the name.

    Raises:
        Invalid: an option has no meaning, saying which.
    """

    def __init__(
        self,
        target: Callable[P, R],
        name: str | None = None,
        *,
        every: float | str | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        missed: str = Missed.ONCE,
        unless_active: bool = False,
        timeout: float | str = TIMEOUT,
        registered: str | None = None,
    ) -> None:
        if isinstance(target, type):
            raise Invalid(f"{target!r} is no distribution: that is a function that yields jobs")
        self.target = target
        update_wrapper(self, target)
        self.name = name or getattr(target, "__name__", "").replace("_", "-")
        if not _NAME.fullmatch(self.name):
            raise Invalid(f"{self.name!r} cannot be the name of a distribution: use up to 100 letters, digits and -_.")
        self.registered = registered or self.name
        try:
            self.schedule: Schedule = schedule(every=every, cron=cron, timezone=timezone)
            self.timeout = seconds(timeout)
        except Invalid as error:
            raise Invalid(f"distribution {self.name!r}: {error.message}") from None
        if missed not in list(Missed):
            raise Invalid(f"distribution {self.name!r}: missed is one of {', '.join(Missed)}, not {missed!r}")
        if not self.timeout > 0:
            raise Invalid(f"distribution {self.name!r}: a timeout is more than 0 seconds")
        self.missed = Missed(missed)
        self.unless_active = unless_active
        self.beside_nuvla = False  # of no use with a server of ours, which does itself what its jobs do
        self._takes_tick = _takes_tick(target, self.name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.target(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<distribution {self.name!r}, {self.source}>"

    @property
    def source(self) -> str:
        """Where it is defined."""
        return f"{getattr(self.target, '__module__', '')}.{getattr(self.target, '__qualname__', self.name)}"

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (getattr(self.target, "__doc__", None) or "").strip().partition("\n")[0]

    @property
    def described(self) -> dict[str, str | None]:
        """The schedule, as the record shows it."""
        return {**self.schedule.described, "missed": str(self.missed), "description": self.summary or None}

    def jobs(self, tick: Tick, go_on: Callable[[], bool] = lambda: True) -> list[Any]:
        """What the function makes of a tick, in this thread.

        Args:
            go_on: asked between two jobs: whether anybody still wants them.

        Raises:
            NoJobsError: it is no series of jobs.
        """
        call: Callable[..., Any] = self.target
        made = call(tick) if self._takes_tick else call()
        if inspect.isawaitable(made):
            made = asyncio.run(_result(made, go_on))
        elif isinstance(made, AsyncIterable):
            made = asyncio.run(_gathered(made, go_on))
        if made is None:
            return []
        if isinstance(made, Mapping):
            return [made]
        if isinstance(made, str | bytes) or not isinstance(made, Iterable):
            raise NoJobsError(
                f"it returned {type(made).__name__} {made!r:.100}; return a job's document, or yield several"
            )
        found: list[Any] = []
        for job in made:
            _keep(found, job)
            if not go_on():
                break
        return found


def _takes_tick(target: Callable[..., Any], name: str) -> bool:
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # some callables written in C do not tell
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(needed) > 1 or (needed and needed[0].kind is inspect.Parameter.KEYWORD_ONLY):
        raise Invalid(f"distribution {name!r}: its function takes nothing, or one argument: the tick")
    return bool(needed) or (bool(positional) and positional[0].name == "tick")


async def _result(made: Awaitable[Any], go_on: Callable[[], bool]) -> Any:
    result = await made
    return await _gathered(result, go_on) if isinstance(result, AsyncIterable) else result


async def _gathered(made: AsyncIterable[Any], go_on: Callable[[], bool]) -> list[Any]:
    found: list[Any] = []
    async for job in made:
        _keep(found, job)
        if not go_on():
            break
    return found


def _keep(found: list[Any], job: Any) -> None:
    if len(found) >= MOST:
        raise NoJobsError(f"it yields more than {MOST} jobs for one tick")
    found.append(job)


def distribution(
    name: str | None = None,
    *,
    every: float | str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    missed: str = Missed.ONCE,
    unless_active: bool = False,
    timeout: float | str = TIMEOUT,
) -> Callable[[Callable[P, R]], Distribution[P, R]]:
    """Make a function a distribution: ``@distribution(every="30s")``, ``@distribution(cron="0 3 * * *")``.

    The function returns, or yields, job documents: dicts, or what ``my_action.job(...)`` makes. It may be async, and
    take one argument, the `Tick`. See `Distribution` for the options.
    """
    if callable(name):
        raise Invalid('a distribution needs a schedule: @distribution(every="30s"), or cron="0 3 * * *"')
    return lambda target: Distribution(
        target,
        name,
        every=every,
        cron=cron,
        timezone=timezone,
        missed=missed,
        unless_active=unless_active,
        timeout=timeout,
    )
