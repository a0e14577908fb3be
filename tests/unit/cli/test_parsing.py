import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.cli.commands.jobs import _any_of
from job_engine.cli.commands.submit import payload_of
from job_engine.cli.group import _one_by_one
from job_engine.cli.options.shared import duration
from job_engine.job.action_details import Parameter


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        ((), None),
        (("n=3",), {"n": 3}),
        (("n=3", "n=4"), {"n": 4}),
        (("deep=true", "none=null", "x=1.5"), {"deep": True, "none": None, "x": 1.5}),
        (("root=/usr/lib", "empty=", "eq=a=b"), {"root": "/usr/lib", "empty": "", "eq": "a=b"}),
        (('names=["a", "b"]',), {"names": ["a", "b"]}),
        (('text="3"',), {"text": "3"}),
        (("odd={",), {"odd": "{"}),
    ],
)
def test_arguments(arguments, payload):
    assert payload_of(None, arguments) == payload


def test_a_value_stays_a_text_where_the_action_takes_only_texts():
    known = [
        Parameter("name", "name: str", takes=["string"]),
        Parameter("note", "note: str | None", takes=["null", "string"]),
        Parameter("n", "n: int | str", takes=["number", "string"]),
        Parameter("any", "any"),
        Parameter("**rest", "**rest: str", takes=["string"]),
    ]
    given = ("name=3", "note=null", "n=3", "any=3", "other=true", 'quoted="3"')
    assert payload_of(None, given, lambda: known) == {
        "name": "3", "note": None, "n": 3, "any": 3, "other": "true", "quoted": "3",
    }  # fmt: skip
    assert payload_of(None, ("note=3",), lambda: known) == {"note": "3"}


def test_nothing_is_asked_about_values_that_are_texts_anyhow():
    assert payload_of(None, ("name=x",), None) == {"name": "x"}


def test_payloads(tmp_path):
    file = tmp_path / "payload.json"
    file.write_text('{"a": 1, "b": 2}')
    assert payload_of('{"a": 1}', ()) == {"a": 1}
    assert payload_of("[1, 2]", ()) == [1, 2]
    assert payload_of(f"@{file}", ("b=3",)) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("payload", "arguments", "said"),
    [
        ("{", (), "not JSON"),
        ("@/does/not/exist", (), "cannot read /does/not/exist: No such file"),
        ("[1]", ("a=1",), "JSON object only"),
        (None, ("a",), "'a' is not KEY=VALUE"),
        (None, ("=1",), "not KEY=VALUE"),
    ],
)
def test_what_cannot_be_meant(payload, arguments, said):
    with pytest.raises(click.UsageError, match=said):
        payload_of(payload, arguments)


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (["--a", "x", "y", "--b", "z"], ["--a", "x", "--a", "y", "--b", "z"]),
        (["--a", "x", "--a", "y"], ["--a", "x", "--a", "y"]),
        (["p", "--a", "x"], ["p", "--a", "x"]),
        (["--a"], ["--a"]),
        (["--b", "x", "y"], ["--b", "x", "y"]),
    ],
)
def test_several_values_after_one_flag(typed, means):
    assert list(_one_by_one(typed, ("--a",))) == means


def test_durations():
    assert [duration("90"), duration("1.5m"), duration("1h30m"), duration(120)] == [90.0, 90.0, 5400.0, 120.0]
    for wrong in ("soon", "-1", "nan", "inf", ""):
        with pytest.raises(click.BadParameter):
            duration(wrong)


@given(st.text())
def test_what_is_typed_cannot_leave_its_quotes(text):
    found = _any_of("action", (text,))
    assert found is not None
    inner = found.removeprefix("action='").removesuffix("'")
    unescaped = inner.replace("\\\\", "").replace("\\'", "")
    assert "'" not in unescaped
    assert not unescaped.endswith("\\")
