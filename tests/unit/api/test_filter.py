"""The grammar of CIMI filters."""

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.api.filter import parse
from job_engine.job.errors import Invalid
from job_engine.store.conditions import And, Comparison, Moment, Or


def c(path: str, operator: str, value: object) -> Comparison:
    return Comparison(tuple(path.split("/")), operator, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a='x'", c("a", "=", "x")),
        ('a="x"', c("a", "=", "x")),
        (r"a='it\'s \\ \n'", c("a", "=", r"it's \ n")),
        ("a!=3", c("a", "!=", 3)),
        ("7=return-code", c("return-code", "=", 7)),
        ("7<progress", c("progress", ">", 7)),
        ("7>=progress", c("progress", "<=", 7)),
        ("a=null", c("a", "=", None)),
        ("null!=a", c("a", "!=", None)),
        ("a=true", c("a", "=", True)),
        ("false=a", c("a", "=", False)),
        ("true=false", c("true", "=", False)),
        ("a=[]", c("a", "=", ())),
        ("tags=['a' 'b']", c("tags", "=", ("a", "b"))),
        ("a != [1, 2 3]", c("a", "!=", (1, 2, 3))),
        ("action^='bulk'", c("action", "^=", "bulk")),
        ("a/b/@c='x'", c("a/b/@c", "=", "x")),
        ("ns:word-1='x'", c("ns:word-1", "=", "x")),
        ("a = 2026-11-24T23:05:01.042Z", c("a", "=", Moment(1795561501042, 1795561501042))),
        ("a<2026-11-24T23:05:01.0429+01:00", c("a", "<", Moment(1795557901042, 1795557901042))),
        ("a>=2026-11-24", c("a", ">=", Moment(1795478400000, 1795564799999))),
        ("a=1 or b=2 and c=3", Or((c("a", "=", 1), And((c("b", "=", 2), c("c", "=", 3)))))),
        ("(a=1 or b=2) and c=3", And((Or((c("a", "=", 1), c("b", "=", 2))), c("c", "=", 3)))),
        ("and=1 and or=2 or not=3", Or((And((c("and", "=", 1), c("or", "=", 2))), c("not", "=", 3)))),
        (
            'action^="bulk" and state="RUNNING"and tags="monitor"',
            And((c("action", "^=", "bulk"), c("state", "=", "RUNNING"), c("tags", "=", "monitor"))),
        ),
        ("a=1or b=2", Or((c("a", "=", 1), c("b", "=", 2)))),
        ("\n((a=1))\t", c("a", "=", 1)),
    ],
)
def test_taken(text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 1, "an attribute"),
        ("()", 2, "an attribute"),
        ("a=QUEUED", 3, "put strings in quotes"),
        ("a=b", 3, "put strings in quotes"),
        ("a>true", 3, "a string, an integer or a date"),
        ("a<null", 3, "a string, an integer or a date"),
        ("a<[1]", 4, "a string, an integer or a date"),
        ("a=[true]", 4, "a string in quotes"),
        ("a=[1,]", 6, "an integer"),
        ("a^=3", 4, "a string after ^="),
        ("a==1", 4, "a string after =="),
        ("a==3", 4, "a string after =="),
        (f"a=='{'w ' * 33}'", 4, "at most 32 words"),
        (f"a=='{'w' * 256}'", 4, "at most 255 characters"),
        ("place within 'POINT(1 2)'", 7, "not supported"),
        ("1=2", 3, "an attribute"),
        ("a=1 and", 8, "an attribute"),
        ("a=1 b=2", 5, "and"),
        ("a=1)", 4, "the end"),
        ("(a=1", 5, ")"),
        ("a='x", 3, "a string"),
        ("a-=1", 2, "an operator"),
        ("a/=1", 3, "an attribute"),
        ("a=-1", 3, "an integer"),
        ("not a=1", 5, "an operator"),
        ("a['b']=1", 2, "an operator"),
        ("é='x'", 1, "an attribute"),
        ("a=2147483648", 3, "2147483647"),
        ("a=2026-13", 3, "a date that exists"),
        ("a=2026-02-30", 3, "a date that exists"),
        ("\x00", 1, "an attribute"),
    ],
)
def test_refused(text: str, place: int, expected: str) -> None:
    with pytest.raises(Invalid) as error:
        parse(text)
    message = error.value.message
    assert message.startswith(f"Invalid CIMI filter. At character {place}, ")
    assert expected in message
    assert "\n" not in message


def test_limits() -> None:
    assert isinstance(parse(" or ".join(f"id='job/{n}'" for n in range(3000))), Or)
    assert parse("(" * 5000 + "a=1" + ")" * 5000) == c("a", "=", 1)
    with pytest.raises(Invalid, match="nested"):
        parse("(a=1 and (a=1 or " * 200 + "a=1" + "))" * 200)
    with pytest.raises(Invalid, match="more than 10000 values"):
        parse("a=[" + "1 " * 10_001 + "]")
    with pytest.raises(Invalid, match="characters"):
        parse("a='" + "x" * (1 << 20) + "'")


@given(st.text(alphabet=string.printable + "é\x00", max_size=30))
def test_whatever_it_is_it_is_a_filter_or_refused(text: str) -> None:
    with contextlib.suppress(Invalid):
        parse(text)


@given(st.text(max_size=20))
def test_every_string_can_be_written(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert parse(f"a='{quoted}'") == c("a", "=", text)
