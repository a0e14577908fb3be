"""What is typed into the search box: words, or a filter of the API."""

import pytest

from job_engine.api.filter import parse
from job_engine.dashboard.jobs import SEARCHED_ATTRIBUTES, filter_of


@pytest.mark.parametrize("text", ["action='noop' and progress>50", "progress >> 5", "name=", "1<priority"])
def test_what_compares_is_a_filter(text: str) -> None:
    assert filter_of(text) == text


@pytest.mark.parametrize("text", ["backup", "disk full", 'it\'s \\ "odd"', "a and (b or c)", "[x]*, 100%", "ä/b-c"])
def test_other_texts_are_words(text: str) -> None:
    wanted = filter_of(text)
    parse(wanted)
    assert all(f"{name}=='" in wanted for name in SEARCHED_ATTRIBUTES)


@pytest.mark.parametrize("text", ["", "'", ' " '])
def test_nothing_is_no_filter(text: str) -> None:
    assert filter_of(text) == ""
