"""Objects that cannot be looked at."""

from typing import Any

import pytest

from job_engine.job.foreign import described, is_a, kind, shown, text


class Says(BaseException):
    def __str__(self) -> str:
        raise self

    __repr__ = __str__


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class NoClass(Exception):
    @property
    def __class__(self) -> Any:
        raise KeyboardInterrupt


class Text(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise SystemExit(5)


class Answers:
    def __str__(self) -> str:
        return Text("said")

    __repr__ = __str__


@pytest.mark.parametrize("which", [Says, Exits, NoClass])
def test_whatever_an_exception_raises_there_is_a_sentence_about_it(which: type[BaseException]) -> None:
    error = which()
    assert described(error).startswith(kind(error))
    assert kind(error) in shown(error)
    assert is_a(error, BaseException)
    assert not is_a(error, KeyError, OSError)


def test_a_class_without_a_name_has_a_sentence_too() -> None:
    class Nameless(type):
        def __getattribute__(cls, name: str) -> Any:
            raise SystemExit(4)

    class HasNoName(metaclass=Nameless):
        def __repr__(self) -> str:
            raise GeneratorExit

    assert kind(HasNoName()) == "an object whose class has no name"
    assert "repr() raises" in shown(HasNoName())


def test_texts_are_plain_ones() -> None:
    assert type(text(Answers())) is str
    assert type(shown(Answers())) is str


def test_a_group_says_what_its_members_say() -> None:
    group = ExceptionGroup("two hosts", [ValueError("no disk"), ExceptionGroup("more", [KeyError("x")])])
    assert described(group) == (
        "ExceptionGroup: two hosts (2 sub-exceptions): ValueError: no disk;"
        " ExceptionGroup: more (1 sub-exception): KeyError: 'x'"
    )
