"""What an action returns is its result, if JSON can say it; of Nuvla's classes it is a return code."""

import enum
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from job_engine import action
from job_engine.job.attributes import PAYLOAD_LIMIT
from job_engine.testing import run_action
from tests.unit.actions.samples import nuvla

DEEP = "the result is nested too deeply: it has more than 100 levels of objects and arrays"


@pytest.mark.parametrize(
    ("returned", "state", "code", "message"),
    [
        (0, "SUCCESS", 0, None),
        (1, "FAILED", 1, "do_work() returned 1; 0 is success"),
        (2**31, "FAILED", None, "do_work() returned 2147483648; 0 is success"),
        (None, "FAILED", None, "do_work() returned None; 0 is success"),
        (-1, "FAILED", None, "do_work() returned -1; 0 is success"),
        (True, "FAILED", None, "do_work() returned True; 0 is success"),
        (False, "FAILED", None, "do_work() returned False; 0 is success"),
        (0.0, "FAILED", None, "do_work() returned 0.0; 0 is success"),
        ("x", "FAILED", None, "do_work() returned 'x'; 0 is success"),
        ([], "FAILED", None, "do_work() returned []; 0 is success"),
    ],
)
def test_what_do_work_returns(returned, state, code, message):
    ran = run_action(nuvla(lambda self: returned))
    assert (ran.state, ran.return_code, ran.message, ran.result) == (state, code, message, None)


def test_a_class_that_failed_keeps_its_message():
    class Says:
        def __init__(self, job):
            self.job = job

        def do_work(self):
            self.job.set_status_message("the cluster said no")
            return 4

    ran = run_action(action(Says))
    assert (ran.state, ran.return_code, ran.message) == ("FAILED", 4, "the cluster said no")
    assert ran.output is None
    assert ran.log == [("ERROR", "do_work() returned 4; 0 is success")]


def test_something_that_cannot_be_shown():
    class Odd:
        def __repr__(self):
            raise ValueError

    assert "a test_something_that_cannot_be_shown" in run_action(nuvla(lambda self: Odd())).message


# results


class Color(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    at: Path


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        (Point(1, Path("/x")), {"x": 1, "at": "/x"}),
        (datetime(2026, 11, 24, tzinfo=UTC), "2026-11-24T00:00:00Z"),
        ((1, 2.5), [1, 2.5]),
        (Color.RED, "red"),
        (float("nan"), None),
        (b"ab", "YWI="),
        (0, 0),
        (False, False),
        ("", ""),
        ({1: "a"}, {"1": "a"}),
    ],
)
def test_results_that_are_json(returned, result):
    ran = run_action(action("f")(lambda: returned))
    assert (ran.state, ran.result) == ("SUCCESS", result)


def endless():
    a = []
    a.append(a)
    return a


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (object(), "f: the result is not JSON: result is of type object"),
        ({"a": [1, object()]}, "f: the result is not JSON: result['a'][1] is of type object"),
        (Point(1, 1j), "f: the result is not JSON: result.at is of type complex"),
        ({"a": {(1, 2): 3}}, "f: the result is not JSON: result['a'] has a key of type tuple"),
        (["\ud800"], "f: the result is not JSON: result[0] is a text that is not valid Unicode"),
        ((n for n in range(3)), "f: the result is not JSON: result is of type generator"),
        (endless(), "f: the result is not JSON: it nests too deeply, or contains itself"),
        (json.loads("[" * 101 + "]" * 101), f"f: {DEEP}"),
        ([0] * 100_000, "f: the result has more than 100,000 values; send it in parts, or as a text"),
        ("x" * PAYLOAD_LIMIT, "f: the result is too large: 1048578 bytes of JSON, and 1048576 is the limit"),
    ],
)  # fmt: skip
def test_results_that_are_not(returned, message):
    ran = run_action(action("f")(lambda: returned))
    assert (ran.state, ran.return_code, ran.message) == ("FAILED", 1, message)
