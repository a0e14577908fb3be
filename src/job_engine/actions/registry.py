"""The actions that an executor can run, by name."""

from collections.abc import Iterator
from typing import Any

from job_engine.actions.action import Action


class Actions:
    """What was loaded, and what was not.

    Attributes:
        failed: what did not load: the source (a module, file or entry point) and its error in one line.
        duplicates: actions that are not used because another one had the name first, a line each.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Action[..., Any]] = {}
        self.failed: dict[str, str] = {}
        self.duplicates: list[str] = []

    def add(self, action: Action[..., Any]) -> None:
        """Add an action, unless there is one of that name."""
        first = self._by_name.setdefault(action.name, action)
        line = f"action {action.name!r} of {action.source} is already that of {first.source}"
        if first.target is not action.target and line not in self.duplicates:
            self.duplicates.append(line)

    def get(self, name: str) -> Action[..., Any] | None:
        """The action of this name."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Action[..., Any]]:
        return (self._by_name[name] for name in self.names())

    def __len__(self) -> int:
        return len(self._by_name)
