from job_engine.relay.persistence import (
    FIRST_PAUSE_SECONDS,
    FORGET_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Persistence,
    RepublishBackoff,
)


def test_what_is_so_without_interruption_ripens_once_its_time_is_over() -> None:
    persistence: Persistence[str] = Persistence(10.0)
    assert persistence.lasting(["a"], 0.0) == {}
    assert persistence.lasting(["a", "b"], 5.0) == {}
    assert persistence.due() == 10.0
    assert persistence.lasting(["a", "b"], 10.0) == {"a": 10.0}
    assert persistence.due() == 15.0, "what is lasting wakes nobody"
    assert persistence.lasting([], 12.0) == {}
    assert persistence.due() is None
    assert persistence.lasting(["a"], 20.0) == {}, "it began anew"


def test_republications_of_a_job_get_rarer_and_are_forgotten() -> None:
    backoff, now, pauses = RepublishBackoff(), 0.0, []
    for _ in range(9):
        assert backoff.allows(["job/a", "job/b"], now)("job/b")
        due = backoff.due() or now
        pauses.append(due - now)
        now = due
        assert backoff.allows(["job/a"], now)("job/a")
        backoff.done("job/a", now)
    assert pauses == [0.0, FIRST_PAUSE_SECONDS, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    assert not backoff.allows(["job/a"], now)("job/a")
    assert backoff.allows(["job/a"], now + FORGET_SECONDS)("job/a")
    backoff.done("job/a", now + FORGET_SECONDS)
    assert not backoff.allows(["job/a"], now + FORGET_SECONDS)("job/a")
    assert backoff.due() == now + FORGET_SECONDS + FIRST_PAUSE_SECONDS
