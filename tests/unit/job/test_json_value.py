"""Values of people's programs become JSON as `json.dumps` would have it, or are refused with the true reason."""

import json
import math
from dataclasses import dataclass
from decimal import Decimal

import pytest

from job_engine.job.errors import Invalid
from job_engine.job.json_value import encode


class Text(str):
    __slots__ = ()


class Number(float): ...


class Whole(int): ...


class Table(dict): ...


class Row(list): ...


class Index:
    def __index__(self):
        return 5


class Part:
    def __float__(self):
        return 0.5


class Scalar:
    ndim = 0

    def item(self):
        return True


class Broken(Part):
    def __float__(self):
        raise RuntimeError("no number today")


@dataclass
class Point:
    x: float


@pytest.mark.parametrize(
    "value",
    [
        *(Text("x"), Number(1.5), Whole(3), Table(a=Text("b")), Row([Whole(1)]), {Text("k"): Number(0.5)}, 2**70),
        [{"deep": (Text("x"), Whole(2))}],
    ],
)
def test_subclasses_of_json_types_are_what_json_dumps_makes_of_them(value):
    assert json.loads(encode(value, "the result", nan=False)) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "said"), [(Index(), 5), (Part(), 0.5), (Scalar(), True), (Decimal("1.5"), "1.5"), (Point(2), {"x": 2})]
)
def test_numbers_of_other_libraries(value, said):
    assert json.loads(encode([value], "the result", nan=False)) == [said]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": [math.nan]}, "payload['a'][0] is nan, and JSON has no such number"),
        (Number("inf"), "payload is inf"),
        (Point(math.nan), "payload.x is nan"),
        ({"a": [1j]}, "payload['a'][0] is of type complex"),
        ({1j: 1}, "payload has a key of type complex"),
        (Text("\ud800"), "payload is a text that is not valid Unicode"),
        ([Broken()], "payload[0] is of type Broken"),
    ],
)
def test_what_is_refused_is_named(value, reason):
    with pytest.raises(Invalid) as caught:
        encode(value, "the payload", nan=False)
    assert reason in caught.value.message


def test_in_results_nan_is_null():
    assert encode([math.nan, None], "the result", nan=True) == b"[null,null]"
