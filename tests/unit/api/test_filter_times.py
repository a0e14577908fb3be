"""Points in time as filters name them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.job.errors import Invalid
from job_engine.store.filter_times import interval, iso_of

NOW = datetime(2026, 3, 31, 13, 14, 15, 678000, tzinfo=UTC).timestamp()  # a Tuesday


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
        ("2024-02", "2024-02-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"),
        ("2026-12", "2026-12-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
        ("2026-11-24", "2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z"),
        ("2026-11-24T23", "2026-11-24T23:00:00.000Z", "2026-11-24T23:59:59.999Z"),
        ("2026-11-24T23:05", "2026-11-24T23:05:00.000Z", "2026-11-24T23:05:59.999Z"),
        ("2026-11-24T23:05:01", "2026-11-24T23:05:01.000Z", "2026-11-24T23:05:01.999Z"),
        ("2026-11-24T23:05:01.5Z", "2026-11-24T23:05:01.500Z", "2026-11-24T23:05:01.599Z"),
        ("2026-11-24T23:05:01.042999Z", "2026-11-24T23:05:01.042Z", "2026-11-24T23:05:01.042Z"),
        ("2026-11-24T23:05:01.042-01:30", "2026-11-25T00:35:01.042Z", "2026-11-25T00:35:01.042Z"),
        ("1795561501042", "2026-11-24T23:05:01.042Z", "2026-11-24T23:05:01.042Z"),
        ("now", "2026-03-31T13:14:15.678Z", "2026-03-31T13:14:15.678Z"),
        ("now-7d", "2026-03-24T13:14:15.678Z", "2026-03-24T13:14:15.678Z"),
        ("now+1h-30m+15s", "2026-03-31T13:44:30.678Z", "2026-03-31T13:44:30.678Z"),
        ("now-1M", "2026-02-28T13:14:15.678Z", "2026-02-28T13:14:15.678Z"),
        ("now+1y", "2027-03-31T13:14:15.678Z", "2027-03-31T13:14:15.678Z"),
        ("now/s", "2026-03-31T13:14:15.000Z", "2026-03-31T13:14:15.999Z"),
        ("now/m", "2026-03-31T13:14:00.000Z", "2026-03-31T13:14:59.999Z"),
        ("now+1h/d", "2026-03-31T00:00:00.000Z", "2026-03-31T23:59:59.999Z"),
        ("now/w", "2026-03-30T00:00:00.000Z", "2026-04-05T23:59:59.999Z"),
        ("now/M", "2026-03-01T00:00:00.000Z", "2026-03-31T23:59:59.999Z"),
        ("now/y", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
    ],
)
def test_named(text: str, first: str, last: str) -> None:
    low, high = interval(text, NOW)
    assert (iso_of(low), iso_of(high)) == (first, last)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13", "2026-02-30", "26-01-01", "now-1x", "now+9999999y", "now1d", "now/", "-5", "1e9",
     "٢٠٢٦", "99999999999999999", "2026-11-24T25", "2026-11-24 23:05", "now-999999999w"],
)  # fmt: skip
def test_not_named(text: str) -> None:
    with pytest.raises(Invalid, match="is not a time"):
        interval(text, NOW)


@given(st.text(max_size=12) | st.from_regex(r"now([+-]\d{1,9}[smhdwMy]){0,3}(/[smhdwMy])?", fullmatch=True))
def test_whatever_it_is(text: str) -> None:
    try:
        low, high = interval(text, NOW)
    except Invalid:
        return
    assert low <= high
