"""Finds distributions: entry points, dotted modules, ``.py`` files and folders of them, upstream's classes."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from job_engine.distributor.distribution import Distribution
from job_engine.distributor.registry import Distributions
from job_engine.distributor.upstream import REGISTRY, UpstreamDistributor, adapted
from job_engine.job.errors import Invalid
from job_engine.job.foreign import described, is_a
from job_engine.loading.modules import Modules
from job_engine.loading.registry import registered

GROUP: Final = "job_engine.distributions"
"""The group of entry points; the value of each is a module, a package or a distribution."""


def load(
    sources: Iterable[str | Path], host: UpstreamDistributor, *, entry_points: bool = True, needed: bool = False
) -> Distributions:
    """Import what defines distributions. What fails is named in `Distributions.failed`, and the others load.

    Args:
        sources: dotted modules (of a package, all its modules), ``.py`` files, and folders of them.
        host: what upstream's classes get for their distributor.
        entry_points: whether to load those of installed packages too.
        needed: whether each source has to load; of a package, the outermost module.

    Raises:
        Invalid: a source does not exist, or does not load although it is needed.
    """
    found = Distributions()
    known: set[type[Any]] = set()  # classes that are in

    def add(made: Callable[[], Distribution[..., Any]], source: str) -> None:
        try:
            found.add(made())
        except Invalid as error:
            found.failed[source] = error.message
        except BaseException as error:  # noqa: BLE001 - the boundary between the engine and a class, which may do anything
            found.failed[source] = " ".join(described(error).split())

    def take(thing: Any) -> None:
        if is_a(thing, Distribution):
            found.add(thing)

    def collect(module: ModuleType) -> None:
        for thing in list(vars(module).values()):
            take(thing)
        for name, cls in registered(module, sys.modules.get(REGISTRY), "Distributions"):
            if cls not in known:
                known.add(cls)
                add(lambda cls=cls, name=name: adapted(name, cls, host), f"{cls.__module__}.{name}")  # type: ignore[misc]

    modules = Modules("distributions", collect, take, found.failed, needed=needed)
    located = [modules.located(source) for source in sources]
    for source in located:
        modules.load(source)
    if entry_points:
        modules.entry_points(GROUP)
    return found
