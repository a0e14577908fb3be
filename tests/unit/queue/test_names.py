import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.job.errors import Invalid
from job_engine.queue.names import Order, ordered, parse, prefix

NAMES = st.builds(lambda p, n: f"entry-{p:03d}-{n:010d}", st.integers(0, 1200), st.integers(-(2**31), 2**31 - 1))


def test_a_name_has_a_priority_and_a_number():
    assert parse("entry-042-0000000007") == Order(42, 7)
    assert parse("entry-1000-0000000007") == Order(1000, 7)


def test_a_number_that_has_overflown_comes_after_all_others():
    assert parse("entry-999--2147483648") == Order(999, 2**31)
    assert parse("entry-999--000000001") == Order(999, 2**32 - 1)


@pytest.mark.parametrize("stray", ["", "lock", "entry-7-0000000001", "entry-007-", "entry-007-00000000x1", "entry-007"])
def test_a_stray_name_is_no_entry(stray):
    assert parse(stray) is None


@pytest.mark.parametrize("priority", [-1, 1000])
def test_a_priority_out_of_range_cannot_be_put(priority):
    with pytest.raises(Invalid, match="between 0 and 999"):
        prefix(priority)


def test_a_priority_over_999_comes_last_and_not_between_100_and_101():
    names = ["entry-101-0000000001", "entry-1000-0000000002", "entry-100-0000000003", "stray"]
    assert ordered(names) == ["entry-100-0000000003", "entry-101-0000000001", "entry-1000-0000000002"]


@given(st.lists(NAMES, unique=True))
def test_the_order_is_that_of_priority_and_number(names):
    usual = [name for name in names if len(name) == 20 and "--" not in name]
    assert ordered(usual) == sorted(usual, key=parse)


@given(st.lists(NAMES, unique=True))
def test_no_entry_gets_lost_in_ordering(names):
    assert sorted(ordered(names)) == sorted(name for name in names if parse(name))
