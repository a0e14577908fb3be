"""Imports entry points, dotted modules, ``.py`` files and folders of them; what fails is noted, and the rest loads."""

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from zlib import crc32

from job_engine.job.errors import Invalid, JobEngineError
from job_engine.job.foreign import ask, described, is_a

_HERE: Final = __file__
_US: Final = Path(__file__).parents[1]


class Modules:
    """Imports modules and shows each to its owner.

    Args:
        what: what they define, such as ``actions``, for messages.
        collect: called with each imported module, once all modules below it were.
        take: called with the thing that an entry point names, if it names one.
        failed: gets what does not load: the source (a module, file or entry point) and its error in one line.
        importing: called with each such source before it is imported, which may hang or end the process.
        needed: whether what `load` is given has to load: a module, the outermost one of a package, or a file.
    """

    def __init__(
        self,
        what: str,
        collect: Callable[[ModuleType], None],
        take: Callable[[Any], None],
        failed: dict[str, str],
        importing: Callable[[str], None] = lambda source: None,
        needed: bool = False,
    ) -> None:
        self._what = what
        self._collect = collect
        self._take = take
        self._failed = failed
        self._importing = importing
        self._needed = needed

    def located(self, source: str | Path) -> str | Path:
        """A path or a dotted name that exists.

        Raises:
            Invalid: it does not.
        """
        text = str(source).strip()
        path = Path(text).expanduser()
        if (text and path.is_dir()) or (path.is_file() and path.suffix == ".py"):
            return path.resolve()
        if path.is_file():
            raise Invalid(f"{text} is not a Python file: its name must end in .py")
        if isinstance(source, Path) or os.sep in text or text.endswith(".py") or not text:
            raise Invalid(f"there is no file or folder {text!r} to load {self._what} from")
        _on_path(Path.cwd())
        top = text.partition(".")[0]
        if not all(part.isidentifier() for part in text.split(".")) or (
            top not in sys.modules and importlib.util.find_spec(top) is None
        ):
            raise Invalid(f"there is no module, file or folder {text!r} to load {self._what} from")
        return text

    def load(self, located: str | Path) -> None:
        """Import what `located` has found: a dotted module (of a package, all its modules), a ``.py`` file or a folder.

        A folder, and that of a file, is added to ``sys.path``, last; so is the current one for dotted modules.

        Raises:
            Invalid: it is needed, and does not load.
        """
        if isinstance(located, str):
            self.package(located)
        elif located.is_dir():
            self._folder(located)
        else:
            self._file(located)
        name = located.name if isinstance(located, Path) and located.is_dir() else str(located)
        if self._needed and (error := self._failed.get(name)) is not None:
            raise Invalid(f"{name} does not load, and nothing else has its {self._what}: {error}")

    def package(self, name: str) -> None:
        """Import a module, and all below it."""
        module = self._imported(name, lambda: importlib.import_module(name))
        if module is None:
            return
        for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
            if info.name != "__main__":
                self.package(f"{name}.{info.name}")
        self._collect(module)

    def entry_points(self, group: str) -> None:
        """Import what installed packages offer; the value of each entry point is a module, a package or a thing."""
        from importlib.metadata import entry_points

        for point in sorted(entry_points(group=group)):
            if point.attr:
                thing = self._imported(f"{point.name} = {point.value} (entry point)", point.load)
                if thing is not None:
                    self._take(thing)
            else:
                self.package(point.module)

    def _folder(self, folder: Path) -> None:
        if (folder / "__init__.py").is_file() and folder.name.isidentifier():
            _on_path(folder.parent)
            self.package(folder.name)
            return
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("."):  # an editor's own: Emacs' lock .#NAME.py, macOS' ._NAME.py
                self._file(path)

    def _file(self, path: Path) -> None:
        _on_path(path.parent)
        module = self._imported(str(path), lambda: _module_of(path))
        if module is not None:
            self._collect(module)

    def _imported(self, source: str, load_it: Callable[[], Any]) -> Any:
        self._importing(source)
        try:
            return load_it()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary between the engine and a module, which may do anything
            self._failed[source] = ask(_one_line, error, described(error))
            return None


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


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


def _one_line(error: BaseException) -> str:
    """The error, and where in the module it was raised."""
    shown = " ".join(described(error).split())
    if is_a(error, SyntaxError):
        return shown
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    if is_a(error, JobEngineError):  # what is wrong is what was given to us, and who gave it
        frames = [frame for frame in frames if not Path(frame.filename).is_relative_to(_US)]
    last = frames[-1] if frames else None
    return f"{shown} ({last.filename}, line {last.lineno})" if last is not None and last.filename != _HERE else shown
