"""What can be said of objects that others wrote. Asking such an object anything runs their code, which may raise
anything: ``SystemExit``, or itself. Nothing that the engine asks may end a thread of the engine's own."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

SHOWN: Final = 200
"""Characters of a value in a message."""
MEMBERS: Final = 10
"""Exceptions of a group that its text names."""


def ask(question: Callable[[Any], T], thing: object, otherwise: T) -> T:
    """What ``question`` answers about ``thing``; ``otherwise`` if that raises anything at all."""
    try:
        return question(thing)
    except BaseException:  # noqa: BLE001 - the boundary between the engine and objects that others wrote
        return otherwise


def is_a(thing: object, *classes: type) -> bool:
    """Whether it is an instance of one of ``classes``, whatever it says of its own class, which Python may ask."""
    return issubclass(type(thing), classes)


def kind(thing: object) -> str:
    """The name of its class."""
    return ask(_name, thing, "an object whose class has no name")


def text(thing: object) -> str:
    """``str(thing)``, or a remark instead; of an exception group with what its members say."""
    said = ask(_text, thing, f"(the text of this {kind(thing)} cannot be had: its __str__ raises)")
    if is_a(thing, BaseExceptionGroup):
        members: list[BaseException] = ask(_members, thing, [])
        said += "".join(f"{'; ' if n else ': '}{described(member)}" for n, member in enumerate(members[:MEMBERS]))
    return said


def shown(thing: object) -> str:
    """``repr(thing)``, of `SHOWN` characters at most, or a remark instead."""
    shown = ask(_repr, thing, f"a {kind(thing)} whose repr() raises")
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."


def described(error: BaseException) -> str:
    """An exception as ``Type: text``, or its type alone if it has no text."""
    said = text(error).strip()
    return f"{kind(error)}: {said}" if said else kind(error)


def _name(thing: object) -> str:
    return str.__str__(type(thing).__qualname__)


def _text(thing: object) -> str:
    return str.__str__(str(thing))  # a plain one: str() may answer an instance of a class that others wrote


def _repr(thing: object) -> str:
    return str.__str__(repr(thing))


def _members(group: Any) -> list[BaseException]:
    return list(BaseExceptionGroup.exceptions.__get__(group))
