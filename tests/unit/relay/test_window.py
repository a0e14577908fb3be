"""How much is published, and what is picked next."""

import pytest

from job_engine.relay.window import JOBS_PER_PICK, PRIORITY_POLL_SECONDS, Want, Window


def fill(window: Window, ready: list[int], now: float = 0.0) -> list[int]:
    """Pick as the relay does, from jobs of these priorities, until nothing is wanted; what went in."""
    went: list[int] = []
    while (want := window.want(now)).limit:
        window.asked(want, now)
        some = sorted(priority for priority in ready if want.below is None or priority < want.below)[: want.limit]
        for priority in some:
            ready.remove(priority)
        window.picked(want, [(f"job/{id(window)}-{len(went) + n}-{now}", p) for n, p in enumerate(some)])
        went += some
    return went


def test_it_is_filled_to_its_size_and_again_when_half_empty() -> None:
    window, ready = Window(10), [999] * 100
    assert len(fill(window, ready)) == 10
    jobs = list(window._waiting)
    assert not window.changed(["job/another"])
    for n, job in enumerate(jobs[:5]):
        assert not window.hungry
        assert window.changed([job]), n
    assert window.hungry
    assert len(fill(window, ready)) == 5
    assert len(window) == 10


def test_everything_goes_in_while_there_is_room() -> None:
    window = Window(10)
    assert fill(window, []) == []
    for n in range(8):
        assert window.ready()
        assert not window.ready(), "known already"
        assert fill(window, [n]) == [n]


def test_a_better_one_goes_into_a_full_window_but_no_equal_one() -> None:
    window = Window(10)
    fill(window, [500] * 20)
    window.ready()
    assert window.want(PRIORITY_POLL_SECONDS) == Want(JOBS_PER_PICK, below=500)
    assert fill(window, [500, 3], now=PRIORITY_POLL_SECONDS) == [3]


def test_looks_for_a_better_one_are_rare() -> None:
    window = Window(10)
    fill(window, [500] * 20)
    window.ready()
    fill(window, [500], now=1.0)
    window.ready()
    assert not window.want(1.0).limit
    assert window.due(1.0) == pytest.approx(PRIORITY_POLL_SECONDS)
    assert window.want(1.0 + PRIORITY_POLL_SECONDS).limit


def test_better_ones_go_in_until_there_is_a_window_of_them() -> None:
    window, ready = Window(10), [100] * 1000
    fill(window, [500] * 20)
    for n in range(20):
        window.ready()
        fill(window, ready, now=n + 1.0)
    assert window._counts[100] == JOBS_PER_PICK, "one batch, and no more"
    window.ready()
    assert window.want(100.0).below == 100


def test_what_changes_while_the_record_is_read_is_not_taken_for_waiting() -> None:
    window = Window(10)
    fill(window, [1, 2])
    window.watch()
    assert window.changed(["job/b"], ready=True), "it may be newer than what is being read"
    window.reset({"job/a": 1, "job/b": 2}, [])
    assert list(window._waiting) == ["job/a"]


def test_a_claimed_job_matters_again_when_it_is_free() -> None:
    window = Window(10)
    window.watch()
    window.reset({"job/a": 1}, ["job/b"])
    assert window.changed(["job/a"])
    assert not window.changed(["job/a", "job/b"]), "progress, or its end"
    assert window.changed(["job/a"], ready=True)
    assert window.changed(["job/b"], ready=True)
    assert not window.changed(["job/new"], ready=True)
