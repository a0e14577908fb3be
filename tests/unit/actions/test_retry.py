"""How long a failed job waits."""

from hypothesis import given
from hypothesis import strategies as st

from job_engine.job.retry import BACKOFF, LONGEST, delay

failures = st.integers(0, 10_000)
rolls = st.floats(0, 1, exclude_max=True)
backoffs = st.floats(0, 1e6)


@given(failures, rolls, backoffs, st.booleans())
def test_between_nothing_and_the_bound(failed, roll, backoff, jitter):
    assert 0 <= delay(failed, roll, backoff=backoff, jitter=jitter) <= LONGEST


@given(failures, rolls, backoffs)
def test_without_jitter_it_doubles_up_to_the_longest(failed, roll, backoff):
    now, then = (delay(n, roll, backoff=backoff, jitter=False) for n in (failed, failed + 1))
    assert then == min(LONGEST, 2 * now) or failed >= 64


@given(failures, st.lists(rolls, min_size=2, max_size=2))
def test_with_jitter_it_rises_with_the_roll(failed, pair):
    low, high = sorted(pair)
    assert delay(failed, low) <= delay(failed, high)
    assert delay(failed, 0.0) == 0


def test_the_first():
    assert delay(0, 0.5) == BACKOFF / 2
    assert [delay(n, 0, backoff=5, jitter=False) for n in range(4)] == [5, 10, 20, 40]
