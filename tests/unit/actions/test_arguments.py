"""The payload is the function's keyword arguments, checked against its signature."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine import Invalid, Job, action
from job_engine.actions.arguments import Arguments
from job_engine.actions.errors import WrongArguments
from job_engine.testing import run_action


@dataclass
class Range:
    low: int
    high: int = 9


class Tree(msgspec.Struct):
    root: Path
    follow: bool = False


@action
def everything(
    job: Job,
    text: str,
    number: int = 4,
    *,
    part: float = 0.5,
    names: list[str] | None = None,
    path: Path = Path("/"),
    when: datetime | None = None,
    mode: Literal["fast", "slow"] = "fast",
    rng: Range | None = None,
    tree: Tree | None = None,
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0,
    anything=None,
):
    return [type(value).__name__ for value in (text, number, part, names, path, when, mode, rng, tree, anything)]


def message(thing, **arguments):
    ran = run_action(thing, **arguments)
    assert ran.state == "FAILED"
    assert ran.output is None
    return ran.message


def test_defaults():
    assert run_action(everything, text="x").result == [
        "str", "int", "float", "NoneType", "PosixPath", "NoneType", "str", "NoneType", "NoneType", "NoneType",
    ]  # fmt: skip


def test_types():
    ran = run_action(
        everything, text="x", number=1, part=1, names=["a"], path="/usr", when="2026-11-24T00:00:00Z", mode="slow",
        rng={"low": 1}, tree={"root": "/x"}, anything={"a": 1},
    )  # fmt: skip
    assert ran.result == ["str", "int", "float", "list", "PosixPath", "datetime", "str", "Range", "Tree", "dict"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "everything: missing argument 'text'"),
        ({"text": 1}, "everything: argument 'text': expected str, got int"),
        ({"text": None}, "everything: argument 'text': expected str, got null"),
        ({"text": "x", "number": "4"}, "everything: argument 'number': expected int, got str"),
        ({"text": "x", "number": 4.5}, "everything: argument 'number': expected int, got float"),
        ({"text": "x", "number": True}, "everything: argument 'number': expected int, got bool"),
        ({"text": "x", "names": ["a", 1]}, "everything: argument 'names[1]': expected str, got int"),
        ({"text": "x", "path": 7}, "everything: argument 'path': expected PosixPath, got int"),
        ({"text": "x", "mode": "x"}, "everything: argument 'mode': invalid enum value 'x'; it may be 'fast' or 'slow'"),
        ({"text": "x", "rng": {}}, "everything: argument 'rng': object missing required field low"),
        ({"text": "x", "percent": 101}, "everything: argument 'percent': expected int <= 100"),
        ({"text": "x", "when": "now"}, "everything: argument 'when': invalid RFC3339 encoded datetime"),
    ],
)
def test_a_wrong_one_is_named(arguments, expected):
    # which Path class a signature means is Python's to say
    assert message(everything, payload=arguments or {}).replace(" Path,", " PosixPath,") == expected


def test_an_unknown_one_is_named():
    assert message(everything, text="x", nmber=4).startswith(
        "everything: unknown argument 'nmber': it takes text, number, part"
    )
    assert message(everything, txt="x").startswith(
        "everything: missing argument 'text'; unknown argument 'txt': it takes text, number, part"
    )


@pytest.mark.parametrize(("payload", "kind"), [([], "a list"), ("x", "a text"), (3, "a number"), (True, "a boolean")])
def test_the_payload_is_an_object(payload, kind):
    @action
    def takes(n: int):
        pass

    assert (
        message(takes, payload=payload)
        == f"takes: the payload must be a JSON object with the arguments n; it is {kind}"
    )


@pytest.mark.parametrize("text", ["", "{", "nope", '{"n": NaN}', "{} {}", "[" * 100_000])
def test_a_payload_that_is_not_json(text):
    def takes(n: int):
        pass

    def reads(job):
        return job.payload

    with pytest.raises(WrongArguments, match="not JSON" if text else "missing"):
        Arguments(takes).of(text)
    if text and "NaN" not in text:  # which Python, and so upstream, takes
        ran = run_action(action(reads), document={"payload": text})
        assert (ran.state, ran.result) == ("SUCCESS", text)  # it is a text


def test_no_parameters_take_no_arguments():
    @action
    def nothing():
        return 1

    assert run_action(nothing).result == 1
    assert message(nothing, n=1) == "nothing: unknown argument 'n': it takes no arguments"


def test_only_the_job_takes_any_payload():
    @action
    def by_name(job):
        return job.payload

    @action
    def by_annotation(j: Job):
        return j.payload

    @action
    def by_text(j: "Job"):
        return j.payload

    for each in (by_name, by_annotation, by_text):
        assert run_action(each, payload=[1]).result == [1]
        assert run_action(each).result is None


def test_a_job_parameter_comes_first():
    @action
    def second(n: int, job: str):
        return [n, job]

    assert run_action(second, payload={"n": 1, "job": "j"}).result == [1, "j"]


def test_open_arguments():
    @action
    def open_(job: Job, n: int, **more: int):
        return [n, more]

    @action
    def very_open(**more):
        return more

    assert run_action(open_, n=1, a=2, b=3).result == [1, {"a": 2, "b": 3}]
    assert run_action(very_open, a="x").result == {"a": "x"}
    assert message(open_, n=1, a="x") == "open-: argument 'a': expected int, got str"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(*args): pass", "parameter 'args' of f: a payload has named arguments only"),
        ("def f(a, /): pass", "parameter 'a' of f: a payload has named arguments only"),
        ("def f(a: Nowhere): pass", "the annotations of f cannot be read: name 'Nowhere' is not defined"),
        ("def f(a: object.__class__): pass", "parameter 'a' of f: "),
        ("import threading\ndef f(a: 'list[threading.Event]'): pass", "its type Event has no form in JSON"),
        ("def f(a: 'int | str | list | tuple'): pass", "parameter 'a' of f: Type unions may not contain more than one"),
    ],
)
def test_signatures_that_no_payload_can_fill(source, expected):
    names = {}
    exec("from __future__ import annotations\n" + source, names)
    with pytest.raises(Invalid) as caught:
        Arguments(names["f"])
    assert expected in caught.value.message


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json)
def test_any_payload_is_taken_whole_or_refused_with_a_sentence(payload):
    def takes(text: str, number: int = 4, path: Path | None = None):
        pass

    with contextlib.suppress(WrongArguments):
        found = Arguments(takes).of(msgspec.json.encode(payload).decode())
        assert isinstance(found["text"], str)
        assert set(found) == set(payload)


@given(st.dictionaries(st.text(min_size=1), json, max_size=5))
def test_untyped_open_arguments_are_the_payload(payload):
    def takes(**arguments):
        pass

    assert Arguments(takes).of(msgspec.json.encode(payload).decode()) == payload


@action
def greet(job: Job, name: str, mode: Literal["warm", "cold"] = "warm", more: list[Literal[1, 2]] | None = None): ...


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"nme": "Ada"}, "missing argument 'name'; unknown argument 'nme'"),
        ({"name": 3}, "argument 'name': expected str, got int"),
        ({"name": "Ada", "mode": "hot"}, "argument 'mode': invalid enum value 'hot'; it may be 'cold' or 'warm'"),
        ({"name": "Ada", "more": [3]}, "invalid enum value 3; it may be 1 or 2"),
        ({"name": 1j}, "payload['name'] is of type complex"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_when_they_are_submitted(arguments, said):
    for submit in (greet.submit, greet.job, lambda **each: greet.options(priority=1).submit_many([each])):
        with pytest.raises(Invalid) as caught:
            submit(**arguments)
        assert said in caught.value.message
        assert 1j in arguments.values() or "greet(name: str, mode: Literal['warm', 'cold']" in caught.value.message


def test_one_set_of_arguments_is_not_taken_for_many():
    with pytest.raises(Invalid, match="takes a list"):
        greet.submit_many({"name": "Ada"})  # type: ignore[dict-item]


def test_an_action_that_reads_its_payload_itself_takes_any_arguments():
    @action
    def free(job: Job): ...

    assert free.job(anything=1)["payload"] == '{"anything":1}'
