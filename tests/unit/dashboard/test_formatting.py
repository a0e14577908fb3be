"""Values formatted for pages."""

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.dashboard import formatting
from job_engine.job.times import iso


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "< 1 s"),
        (0.4, "< 1 s"),
        (1, "1 s"),
        (59.9, "59 s"),
        (61, "1 min 01 s"),
        (7500, "2 h 05 min"),
        (93600, "1 d 02 h"),
    ],
)
def test_lengths_have_two_units(seconds: float, text: str) -> None:
    assert formatting.lasting(seconds) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [(0.1, "now"), (5.5, "5 s ago"), (330, "5 min ago"), (10_000, "2 h ago"), (400_000, "4 d ago"), (-7260, "in 2 h")],
)
def test_points_of_time_have_one(passed: float, text: str) -> None:
    assert formatting.ago(iso(time.time() - passed)) == text


def test_a_date_says_more_than_many_days() -> None:
    assert formatting.ago("2020-02-03T04:05:06.007Z") == "2020-02-03"


def test_one_line_is_the_first_that_says_something() -> None:
    assert formatting.one_line("\n  \n\x1b[31mred\x1b[0m alert \nmore") == "red alert"
    assert formatting.one_line(None) == ""


@given(st.text())
def test_plain_text_has_nothing_for_terminals(text: str) -> None:
    shown = formatting.plain(text)
    assert not any(ord(character) < 32 and character not in "\n\t" for character in shown)


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(), st.lists))
def test_any_result_can_be_shown(value: object) -> None:
    assert isinstance(formatting.pretty(value), str)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_a_quoted_text_is_one_word_for_the_shell(text: str) -> None:
    assert shlex.split(formatting.quoted(text)) == [text]


def test_a_filter_stays_readable_when_it_is_quoted() -> None:
    assert formatting.quoted("state='FAILED' and progress>5") == "\"state='FAILED' and progress>5\""


def test_long_json_is_cut() -> None:
    assert len(formatting.pretty(["x" * 200_000])) < 101_000
