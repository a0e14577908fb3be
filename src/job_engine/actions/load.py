"""Finds actions: built-in ones, entry points, dotted modules, ``.py`` files and folders of them."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from job_engine.actions.action import OF_CLASS, Action
from job_engine.actions.registry import Actions
from job_engine.actions.upstream import supports_pull_mode
from job_engine.job.errors import Invalid
from job_engine.job.foreign import ask, is_a
from job_engine.loading.modules import Modules
from job_engine.loading.registry import registered

GROUP: Final = "job_engine.actions"
"""The group of entry points; the value of each is a module, a package or an action."""
BUILTIN: Final = "job_engine.actions.builtin"
UPSTREAM: Final = "nuvla.job_engine.job.actions"
"""The package whose decorator registers a class in ``Actions.actions``."""


def load(
    sources: Iterable[str | Path] = (),
    *,
    entry_points: bool = True,
    pull_mode_only: bool = False,
    importing: Callable[[str], None] = lambda source: None,
    needed: bool = False,
) -> Actions:
    """Import what defines actions. What fails to import is named in `Actions.failed`, and the others load.

    Args:
        sources: dotted modules (of a package, all its modules), ``.py`` files, and folders of them. A folder, and
            that of a file, is added to ``sys.path``, last; so is the current one for dotted modules.
        entry_points: whether to load those of installed packages too.
        pull_mode_only: whether to keep only what a NuvlaEdge may run.
        importing: called with each module, file or entry point before it is imported.
        needed: whether each source has to load; of a package, the outermost module.

    Raises:
        Invalid: a source does not exist, or does not load although it is needed.
    """
    actions, builtin = Actions(), Actions()
    modules = _modules(actions, importing, needed)
    for source in [modules.located(source) for source in sources]:
        modules.load(source)
    if entry_points:
        modules.entry_points(GROUP)
    _modules(builtin, importing).package(BUILTIN)
    actions.failed |= builtin.failed
    for action in builtin:
        if action.name not in actions:  # upstream has one of these names too, and who loads upstream's means its own
            actions.add(action)
    return actions.for_pull_mode() if pull_mode_only else actions


def _modules(actions: Actions, importing: Callable[[str], None], needed: bool = False) -> Modules:
    return Modules(
        "actions",
        lambda module: _collect(actions, module),
        lambda thing: _take(actions, thing),
        actions.failed,
        importing,
        needed,
    )


def _collect(actions: Actions, module: ModuleType) -> None:
    for thing in list(vars(module).values()):
        _take(actions, thing)
    for name, cls in registered(module, sys.modules.get(UPSTREAM), "Actions"):
        _add(actions, lambda cls=cls, name=name: _of_registry(cls, name), name)  # type: ignore[misc]


def _of_registry(cls: Any, name: str) -> Action[..., Any]:
    return Action(cls, name, pull_mode_support=supports_pull_mode(cls))


def _take(actions: Actions, thing: Any) -> None:
    if is_a(thing, Action):  # a module's other things may be anything
        for action in (thing, *thing.also):
            _add(actions, lambda action=action: action, action.source)  # type: ignore[misc]
    elif is_a(thing, type):
        nothing: list[Action[..., Any]] = []
        for action in ask(_of_class, thing, nothing):
            _add(actions, lambda action=action: action, action.source)  # type: ignore[misc]


def _of_class(cls: type) -> list[Action[..., Any]]:
    return [*vars(cls).get(OF_CLASS, ())]


def _add(actions: Actions, made: Callable[[], Action[..., Any]], source: str) -> None:
    """Add an action whose options and signature make sense."""
    try:
        action = made()
        if not action.is_class:
            action.arguments  # noqa: B018 - a signature that no payload can fill is told now, not at its first job
    except Invalid as error:
        actions.failed[source] = error.message
    else:
        actions.add(action)
