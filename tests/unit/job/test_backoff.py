from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from job_engine.job.backoff import backoff, pauses


def test_pauses_double_up_to_the_longest():
    assert list(islice(pauses(0.5, 5.0), 6)) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff(3, 0.5, 5.0) == 4.0


@given(st.integers(0, 10**9), st.floats(0.001, 10), st.floats(10, 10**6))
def test_a_pause_never_shrinks_nor_exceeds_the_longest(failures: int, first: float, longest: float):
    assert first <= backoff(failures, first, longest) <= backoff(failures + 1, first, longest) <= longest
