"""Durations: every one that is accepted can be counted with."""

import math
import time
from typing import Any

import pytest

from job_engine import action
from job_engine.cli.options.shared import duration
from job_engine.client.submission import Options
from job_engine.distributor.distribution import distribution
from job_engine.job.attributes import checked
from job_engine.job.errors import Invalid
from job_engine.job.times import LONGEST, iso, seconds

TOO_LONG = [math.inf, math.nan, 1e10, 10**400, LONGEST * 1.001, "4000d", "99999999999999w"]


def test_ten_years_are_the_longest_duration() -> None:
    assert seconds(LONGEST) == seconds("3652.5d") == LONGEST
    assert iso(time.time() + LONGEST)


@pytest.mark.parametrize(
    "length", TOO_LONG, ids=lambda length: repr(length)[:20] if not isinstance(length, int) else "int"
)
def test_what_is_longer_is_refused_wherever_a_duration_is_taken(length: Any) -> None:
    for take in (
        seconds,
        lambda length: action(timeout=length)(print),
        lambda length: action(backoff=length)(print),
        lambda length: Options(delay=length).document("noop"),
        lambda length: Options(timeout=length).document("noop"),
        lambda length: distribution(every=length)(print),
        lambda length: distribution(every="1h", timeout=length)(print),
        lambda length: checked("timeout", length),
    ):
        with pytest.raises(Invalid):
            take(length)
    with pytest.raises(Exception, match=r"10 years|not a duration"):
        duration(str(length))


def test_a_number_that_cannot_be_shown_is_refused_likewise() -> None:
    with pytest.raises(Invalid, match="too long"):
        seconds(10**5000)
