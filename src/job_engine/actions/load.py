"""Finds actions: built-in ones, entry points, dotted modules, ``.py`` files and folders of them."""

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from zlib import crc32

from job_engine.actions.action import OF_CLASS, Action
from job_engine.actions.registry import Actions
from job_engine.job.errors import Invalid

GROUP: Final = "job_engine.actions"
"""The group of entry points; the value of each is a module, a package or an action."""
BUILTIN: Final = "job_engine.actions.builtin"
UPSTREAM: Final = "nuvla.job_engine.job.actions"
"""The package whose decorator registers a class in ``Actions.actions``."""


def load(sources: Iterable[str | Path] = (), *, entry_points: bool = True) -> Actions:
    """Import what defines actions. What fails to import is named in `Actions.failed`, and the others load.

    Args:
        sources: dotted modules (of a package, all its modules), ``.py`` files, and folders of them. A folder, and
            that of a file, is added to ``sys.path``, last; so is the current one for dotted modules.
        entry_points: whether to load those of installed packages too.

    Raises:
        Invalid: a source does not exist.
    """
    found = [_located(source) for source in sources]
    actions = Actions()
    _package(actions, BUILTIN)
    for source in found:
        if isinstance(source, str):
            _package(actions, source)
        elif source.is_dir():
            _folder(actions, source)
        else:
            _file(actions, source)
    if entry_points:
        _entry_points(actions)
    return actions


def _located(source: str | Path) -> str | Path:
    """A path or a dotted name that exists."""
    text = str(source).strip()
    path = Path(text).expanduser()
    if (text and path.is_dir()) or (path.is_file() and path.suffix == ".py"):
        return path.resolve()
    if path.is_file():
        raise Invalid(f"{text} is not a Python file: its name must end in .py")
    if isinstance(source, Path) or os.sep in text or text.endswith(".py") or not text:
        raise Invalid(f"there is no file or folder {text!r} to load actions from")
    _on_path(Path.cwd())
    top = text.partition(".")[0]
    if not all(part.isidentifier() for part in text.split(".")) or (
        top not in sys.modules and importlib.util.find_spec(top) is None
    ):
        raise Invalid(f"there is no module, file or folder {text!r} to load actions from")
    return text


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _package(actions: Actions, name: str) -> None:
    module = _imported(actions, name, lambda: importlib.import_module(name))
    if module is None:
        return
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if info.name != "__main__":
            _package(actions, f"{name}.{info.name}")
    _collect(actions, module)


def _folder(actions: Actions, folder: Path) -> None:
    if (folder / "__init__.py").is_file() and folder.name.isidentifier():
        _on_path(folder.parent)
        _package(actions, folder.name)
        return
    for path in sorted(folder.glob("*.py")):
        _file(actions, path)


def _file(actions: Actions, path: Path) -> None:
    _on_path(path.parent)
    module = _imported(actions, str(path), lambda: _module_of(path))
    if module is not None:
        _collect(actions, module)


def _module_of(path: Path) -> ModuleType:
    """The module of a file: under the name that its neighbours import it by, if that is free."""
    name = path.stem
    present = sys.modules.get(name)
    if present is not None and _same(getattr(present, "__file__", None), path):
        return present
    if present is not None or not _same(getattr(importlib.util.find_spec(name), "origin", None), path):
        name = f"{name}_{crc32(os.fsencode(path)):08x}"
        if name in sys.modules:
            return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _same(origin: str | None, path: Path) -> bool:
    return origin is not None and Path(origin).resolve() == path


def _entry_points(actions: Actions) -> None:
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP)):
        source = f"{point.name} = {point.value} (entry point)"
        if point.attr:
            thing = _imported(actions, source, point.load)
            if thing is not None:
                _take(actions, thing)
        else:
            _package(actions, point.module)


def _imported(actions: Actions, source: str, load_it: Callable[[], Any]) -> Any:
    try:
        return load_it()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - the boundary between the engine and a module, which may do anything
        actions.failed[source] = _one_line(error)
        return None


def _collect(actions: Actions, module: ModuleType) -> None:
    for thing in list(vars(module).values()):
        _take(actions, thing)
    for registry in (module, sys.modules.get(UPSTREAM)):
        registered = getattr(getattr(registry, "Actions", None), "actions", None)
        if not isinstance(registered, dict):
            continue
        for name, cls in registered.items():
            if registry is module or getattr(cls, "__module__", None) == module.__name__:
                _add(actions, lambda cls=cls, name=name: Action(cls, name), str(name))  # type: ignore[misc]


def _take(actions: Actions, thing: Any) -> None:
    if isinstance(thing, Action):
        for action in (thing, *thing.also):
            _add(actions, lambda action=action: action, action.source)  # type: ignore[misc]
    elif isinstance(thing, type):
        for action in vars(thing).get(OF_CLASS, ()):
            _add(actions, lambda action=action: action, action.source)  # type: ignore[misc]


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


def _one_line(error: BaseException) -> str:
    """The error, and where in the module it was raised."""
    text = " ".join(str(error).split())
    shown = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError):
        return shown
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    last = frames[-1] if len(frames) > 1 else None
    return f"{shown} ({last.filename}, line {last.lineno})" if last is not None and last.filename != __file__ else shown
