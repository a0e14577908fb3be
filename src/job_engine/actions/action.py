"""``@action``: what makes a function, or a Nuvla-style class, an action."""

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from job_engine.actions.submit import Submission, SubmitOptions
from job_engine.job.attributes import checked
from job_engine.job.errors import Invalid
from job_engine.job.retry import BACKOFF
from job_engine.job.times import seconds

if TYPE_CHECKING:
    from job_engine.actions.arguments import Arguments
    from job_engine.client import JobHandle

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

OF_CLASS: Final = "__job_engine_actions__"
"""Where a class keeps the actions it is: a tuple, by names."""


class Action(Generic[P, R]):
    """A function, or class, that runs jobs of one name. Calling it calls the function: no engine is needed.

    Args:
        target: the function or class.
        name: of the action; default: the function's name with ``-`` for ``_``, the class's as it is.
        timeout: seconds, or text such as ``"10m"``, that an attempt may take.
        retries: how often a job runs again after an exception.
        backoff: seconds, or text, that the first retry waits at most; it doubles with each one.
        jitter: whether a retry waits a random part of that, or all of it.
        cleanup: called with the job after an attempt was interrupted.
        cleans_itself: whether a class has a method ``cleanup()`` for that.
        pull_mode_support: whether a NuvlaEdge may run it (upstream's light image loads only those).
        main_thread: whether it runs in the main thread of a process, with no other job beside it, as code needs that
            sets signal handlers or alarms.
        secret: names of arguments, and of values in a result that is an object, that are shown to nobody: pages, the
            command line, logs and the history have ``***`` in their place. ``return`` stands for the whole result.

    Raises:
        Invalid: an option has no meaning, saying which.
    """

    def __init__(
        self,
        target: Any,
        name: str | None = None,
        *,
        timeout: float | str | None = None,
        retries: int = 0,
        backoff: float | str = BACKOFF,
        jitter: bool = True,
        cleanup: Callable[..., Any] | None = None,
        cleans_itself: bool = False,
        pull_mode_support: bool = False,
        main_thread: bool = False,
        secret: Iterable[str] = (),
    ) -> None:
        self.also: tuple[Action[Any, Any], ...] = ()  # the same function under other names
        if isinstance(target, Action):
            self.also = (target, *target.also)
            target = target.target
        self.is_class = isinstance(target, type)
        if not callable(target) or (self.is_class and not callable(getattr(target, "do_work", None))):
            raise Invalid(f"{target!r} is no action: that is a function, or a class with a method do_work()")
        own = getattr(target, "__name__", "")
        self.target: Callable[..., Any] = target
        if not self.is_class:
            update_wrapper(self, target)
        self.name: str = checked("action", name or (own if self.is_class else own.replace("_", "-")))
        if timeout is not None and not seconds(timeout) > 0:
            raise Invalid(f"action {self.name!r}: a timeout is more than 0 seconds")
        self.timeout = None if timeout is None else seconds(timeout)
        self.retries: int = checked("retries", retries)
        self.backoff = seconds(backoff)
        self.jitter = jitter
        self.cleanup = cleanup
        self.cleans_itself = cleans_itself
        self.pull_mode_support = pull_mode_support
        self.main_thread = main_thread
        self.secret = _names(self.name, secret)
        self._arguments: Arguments | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast("R", self.target(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<action {self.name!r}, {self.source}>"

    def __reduce__(self) -> str:
        return self.target.__qualname__  # pickled by name, as functions are

    @property
    def source(self) -> str:
        """Where it is defined."""
        return f"{self.target.__module__}.{getattr(self.target, '__qualname__', self.name)}"

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (getattr(self.target, "__doc__", None) or "").strip().partition("\n")[0]

    @property
    def arguments(self) -> "Arguments":
        """How the function takes its arguments; made at the first use, when all its annotations exist.

        Raises:
            Invalid: a payload cannot fill them.
        """
        if self._arguments is None:
            from job_engine.actions.arguments import Arguments

            self._arguments = Arguments(self.target)
        return self._arguments

    def submit(self, **arguments: Any) -> "JobHandle":
        """Add a job that runs this with these arguments; see `Submission.submit`."""
        return self.options().submit(**arguments)

    def submit_many(self, arguments: Iterable[Mapping[str, Any]]) -> "list[JobHandle]":
        """Add a job for each set of arguments; see `Submission.submit_many`."""
        return self.options().submit_many(arguments)

    def job(self, **arguments: Any) -> dict[str, Any]:
        """The document of a job with these arguments, for a distribution to yield; see `Submission.job`."""
        return self.options().job(**arguments)

    def options(self, **options: Unpack[SubmitOptions]) -> Submission:
        """For example ``checksum_tree.options(priority=10, delay="5m").submit(root="/usr/lib")``."""
        return Submission(self.name, options, self._check)

    def _check(self, arguments: Mapping[str, Any]) -> None:
        """See `Arguments.check`; of a class nothing is known."""
        if not self.is_class:
            try:
                self.arguments.check(arguments)
            except Invalid as error:
                raise Invalid(f"action {self.name!r}: {error.message}") from None


class Decorator(Protocol):
    """``@action(...)``, to be put on a function or class."""

    @overload
    def __call__(self, target: type[C], /) -> type[C]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[P, R], /) -> Action[P, R]: ...


@overload
def action(target: type[C], /) -> type[C]: ...  # type: ignore[overload-overlap]
@overload
def action(target: Callable[P, R], /) -> Action[P, R]: ...
@overload
def action(
    name: str | None = None,
    pull_mode_support: bool = False,
    *,
    timeout: float | str | None = None,
    retries: int = 0,
    backoff: float | str = BACKOFF,
    jitter: bool = True,
    cleanup: Callable[..., Any] | None = None,
    main_thread: bool = False,
    secret: Iterable[str] = (),
) -> Decorator: ...
def action(name: Any = None, pull_mode_support: bool = False, **options: Any) -> Any:
    """Make a function or a Nuvla-style class an action: ``@action``, ``@action("name")``, ``@action(retries=3)``.

    A function becomes an `Action`, which can be called as before and has `Action.submit`. A class stays what it is. The
    options are those of `Action`.
    """
    if callable(name):
        return _made(name, None, False, {})
    return lambda target: _made(target, name, pull_mode_support, options)


def _names(action: str, secret: Iterable[str]) -> tuple[str, ...]:
    names = () if isinstance(secret, str) else tuple(secret)
    if isinstance(secret, str) or not all(isinstance(name, str) for name in names):
        raise Invalid(f'action {action!r}: secret is a list of arguments\' names, such as secret=["password"]')
    return names


def _made(target: Any, name: str | None, pull_mode_support: bool, options: dict[str, Any]) -> Any:
    if not isinstance(target, type):
        return Action(target, name, pull_mode_support=pull_mode_support, **options)
    itself = callable(getattr(target, "cleanup", None))
    made: Action[..., Any] = Action(target, name, pull_mode_support=pull_mode_support, cleans_itself=itself, **options)
    setattr(target, OF_CLASS, (*vars(target).get(OF_CLASS, ()), made))
    return target
