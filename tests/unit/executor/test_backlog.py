from hypothesis import given
from hypothesis import strategies as st

from job_engine.executor.backlog import DEEPEST, MOST, WINDOW, Pace, Place, depth, room, share

SECONDS = st.floats(1e-6, 1000)
HELD = st.dictionaries(st.sampled_from("abc"), st.integers(0, 40), max_size=3)


def paced(*ended: tuple[str, float]) -> Pace:
    pace = Pace()
    for action, took in ended:
        pace.ended(action, took)
    return pace


@given(st.lists(st.tuples(st.sampled_from("abc"), SECONDS), max_size=20), st.integers(0, 64), HELD)
def test_room_fills_the_slots_and_is_bounded(ended: list[tuple[str, float]], slots: int, held: dict[str, int]) -> None:
    count, more = sum(held.values()), room(paced(*ended), slots, held)
    assert more >= 0
    assert count + more >= slots
    assert more == 0 or count + more <= slots + MOST


@given(st.integers(0, 64), HELD)
def test_nothing_is_held_beyond_the_slots_before_anything_has_ended(slots: int, held: dict[str, int]) -> None:
    assert room(Pace(), slots, held) == max(0, slots - sum(held.values()))


@given(st.integers(1, 64), st.floats(WINDOW, 1000))
def test_nothing_is_held_beyond_the_slots_for_long_actions(slots: int, took: float) -> None:
    assert room(paced(("a", took)), slots, {"a": slots}) == 0


@given(st.integers(1, 64), st.floats(1e-6, WINDOW / 2))
def test_what_is_held_is_done_within_the_window(slots: int, took: float) -> None:
    pace = paced(*[("a", took)] * 3)
    held = slots + room(pace, slots, {"a": slots})
    assert held * pace.expected("a") <= slots * WINDOW * 1.01 or held <= slots


def test_a_crowd_of_no_ops_is_held_by_hundreds() -> None:
    assert room(paced(("noop", 20e-6)), 8, {"noop": 8}) == MOST


def test_one_slow_job_among_quick_ones_shrinks_the_backlog_at_once_and_dozens_grow_it_again() -> None:
    pace = paced(*[("quick", 0.001)] * 10)
    assert room(pace, 8, {"quick": 8}) > 100
    pace.ended("slow", 60.0)
    assert room(pace, 8, {"quick": 8}) == 0
    for _ in range(60):
        pace.ended("quick", 0.001)
    assert room(pace, 8, {"quick": 8}) > 20


def test_held_jobs_of_an_action_that_never_ran_leave_no_room_for_more() -> None:
    pace = paced(("quick", 0.001))
    assert room(pace, 4, {"new": 4}) == 0


def test_no_slots_no_jobs() -> None:
    assert room(paced(("a", 0.001)), 0, {}) == 0


@given(st.integers(0, 64), SECONDS)
def test_depth_is_bounded_and_zero_for_long_actions(slots: int, took: float) -> None:
    assert 0 <= depth(paced(("a", took)), slots) <= DEEPEST
    assert depth(paced(("a", WINDOW)), min(slots, 9)) == 0


PLACES = st.lists(st.builds(Place, st.integers(0, 40), st.integers(1, 8), st.integers(0, DEEPEST)), max_size=5)


@given(st.integers(0, 200), PLACES)
def test_jobs_are_shared_without_overfilling_and_no_slot_stays_free(jobs: int, places: list[Place]) -> None:
    given = share(jobs, places)
    assert sum(given) <= jobs
    for place, count in zip(places, given, strict=True):
        assert count >= 0
        assert count == 0 or place.load + count <= place.slots + place.depth
        if sum(given) < jobs:
            assert place.load + count >= place.slots


def test_few_jobs_go_where_the_least_is_going_on() -> None:
    assert share(3, [Place(2, 4, 0), Place(0, 4, 0)]) == [1, 2]
    assert share(5, [Place(4, 4, 8), Place(3, 4, 0)]) == [4, 1]
    assert share(5, []) == []
