"""What was loaded, by name."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, ClassVar, Generic, Protocol, TypeVar


class Named(Protocol):
    """What people define, and an engine knows by a name."""

    name: str
    target: Callable[..., Any]

    @property
    def source(self) -> str:
        """Where it is defined."""


N = TypeVar("N", bound=Named)


class Registry(Generic[N]):
    """What was loaded, and what was not.

    Attributes:
        failed: what did not load: the source (a module, file or entry point) and its error in one line.
        duplicates: what is not used because another one had the name first, a line each.
    """

    what: ClassVar[str]
    """What each of them is called."""

    def __init__(self) -> None:
        self._by_name: dict[str, N] = {}
        self.failed: dict[str, str] = {}
        self.duplicates: list[str] = []

    def add(self, named: N) -> None:
        """Add it, unless there is one of that name."""
        first = self._by_name.setdefault(named.name, named)
        line = f"{self.what} {named.name!r} of {named.source} is already that of {first.source}"
        if first.target is not named.target and line not in self.duplicates:
            self.duplicates.append(line)

    def get(self, name: str) -> N | None:
        """That of this name."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[N]:
        return (self._by_name[name] for name in self.names())

    def __len__(self) -> int:
        return len(self._by_name)


def registered(module: ModuleType, package: ModuleType | None, holder: str) -> Iterator[tuple[str, Any]]:
    """The classes that a decorator of upstream's kind has registered, with their names.

    They are in a dict of a class ``holder`` (``Actions.actions``): one of the module itself, or upstream's own.

    Args:
        package: upstream's, if it is imported; of what is registered there, those that the module defines.
    """
    for registry in (module, package):
        names = getattr(getattr(registry, holder, None), holder.lower(), None)
        for name, cls in names.items() if isinstance(names, dict) else ():
            if registry is module or getattr(cls, "__module__", None) == module.__name__:
                yield str(name), cls
