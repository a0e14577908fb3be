from hypothesis import given
from hypothesis import strategies as st

from job_engine.queue.choice import (
    DEEP_SHARE,
    FRONT_ENTRIES,
    GRACE_SECONDS,
    HEAD_FACTOR,
    LEAST_HEAD,
    LEFT_TO_OTHERS,
    NEGLECTED_SECONDS,
    OVERDUE_SECONDS,
    Share,
    TakePlan,
    head,
    plan,
)
from job_engine.queue.names import ordered, parse
from job_engine.queue.view import share_of

FREE = st.sets(st.tuples(st.integers(0, 3), st.integers(0, 200)), max_size=120).map(
    lambda places: ordered([f"entry-{p:03d}-{n:010d}" for p, n in places])
)


def entries(count, priority=999):
    return [f"entry-{priority:03d}-{n:010d}" for n in range(count)]


@given(FREE, st.integers(1, 5), st.data())
def test_every_free_entry_is_in_the_plan_once_and_the_neglected_are_tried(free, of, data):
    ages = {
        name: data.draw(
            st.sampled_from([0.0, GRACE_SECONDS, OVERDUE_SECONDS, NEGLECTED_SECONDS, 3 * NEGLECTED_SECONDS])
        )
        for name in free
    }
    for i in range(of):
        p = plan(free, Share(i, of), ages, ages)
        assert sorted(name for part in p for name in part) == sorted(free)
        assert all(list(part) == ordered(part) for part in p)
        assert {name for name in free[:FRONT_ENTRIES] if ages[name] >= 3 * NEGLECTED_SECONDS} <= set(
            p.mine + p.neglected
        )


def test_one_helps_before_all_do():
    ages = dict.fromkeys(entries(8), NEGLECTED_SECONDS)
    helped = [name for i in range(4) for name in plan(entries(8), Share(i, 4), ages, ages).neglected]
    assert len(helped) == len(set(helped)) > 0


@given(FREE, st.integers(1, 5))
def test_takers_do_not_collide(free, of):
    plans = [plan(free, Share(i, of), {}, {}) for i in range(of)]
    for part in ("mine", "spare"):
        names = [name for p in plans for name in getattr(p, part)]
        assert len(names) == len(set(names))
    if len(free) < DEEP_SHARE:
        assert sorted(name for p in plans for name in p.mine) == sorted(free)


def test_a_backlog_is_not_neglect():
    """Deep in the queue entries wait for a long time; if that made them anybody's, all would try the same."""
    waiting = dict.fromkeys(entries(100), 3600.0)
    p = plan(list(waiting), Share(1, 2), waiting, waiting)
    assert p.neglected == entries(FRONT_ENTRIES)[::2]
    assert p.mine == entries(100)[1::2]


def test_without_entries_of_our_own_we_help_a_busy_neighbour():
    evens = entries(8)[::2]
    assert plan(evens, Share(1, 2), {}, {}).mine == []
    assert plan(evens, Share(1, 2), dict.fromkeys(evens, GRACE_SECONDS), {}).mine == evens[1::2]


def test_what_two_busy_neighbours_leave_is_ours_however_often_the_queue_changes():
    old = entries(9)[0]  # its owner is the first of three, and who helps first is the first, too
    fresh = entries(9)[3]  # put this moment
    for age, mine in ((GRACE_SECONDS, []), (2 * GRACE_SECONDS, [old])):
        assert plan([old, fresh], Share(1, 3), {old: age}, {}).mine == mine


@given(FREE, st.integers(1, 5))
def test_an_entry_is_never_left_for_one_of_worse_priority(free, of):
    for i in range(of):
        share = Share(i, of)
        p = plan(free, share, {}, {})
        own_left = [name for name in p.spare + p.rest if parse(name).number % of == i]
        for name in own_left:
            instead = next(other for other in p.mine if other > name)
            assert parse(name).priority == parse(instead).priority


def test_the_first_of_a_deep_share_are_left_to_strangers():
    assert plan(entries(DEEP_SHARE), Share(0, 1), {}, {}).mine == entries(DEEP_SHARE)[LEFT_TO_OTHERS:]


def test_what_was_left_and_not_taken_is_ours_again():
    waits = dict.fromkeys(entries(LEFT_TO_OTHERS), OVERDUE_SECONDS)
    assert plan(entries(DEEP_SHARE), Share(0, 1), {}, waits).mine == entries(DEEP_SHARE)


def test_a_short_queue_is_taken_whole():
    assert plan(entries(DEEP_SHARE - 1), Share(0, 1), {}, {}).mine == entries(DEEP_SHARE - 1)


def test_a_stray_name_of_the_usual_length_is_not_tried():
    p = plan(["entry-000-0000000000", "exactly20characters!"], Share(0, 1), {}, {"exactly20characters!": 3600.0})
    assert p == TakePlan([], ["entry-000-0000000000"], [], [])


def test_the_head_bounds_how_far_a_priority_can_be_overtaken():
    assert len(head(entries(10_000), 1, Share(0, 2))) == LEAST_HEAD
    assert len(head(entries(10_000), 100, Share(0, 4))) == HEAD_FACTOR * 400


def test_shares_are_among_members_of_one_kind():
    members = ["executor-b", "executor-a", "relay-a", "producer-1"]
    assert share_of("executor-b", members) == Share(1, 2)
    assert share_of("relay-a", members) == Share(0, 1)
    assert share_of("executor-gone", members) == Share(0, 2)
