from job_engine.relay.patience import FIRST, KEPT, LONGEST, Backoff, Patience


def test_what_is_so_without_interruption_ripens_once_its_time_is_over() -> None:
    patience: Patience[str] = Patience(10.0)
    assert patience.ripe(["a"], 0.0) == {}
    assert patience.ripe(["a", "b"], 5.0) == {}
    assert patience.due() == 10.0
    assert patience.ripe(["a", "b"], 10.0) == {"a": 10.0}
    assert patience.due() == 15.0, "what is ripe wakes nobody"
    assert patience.ripe([], 12.0) == {}
    assert patience.due() is None
    assert patience.ripe(["a"], 20.0) == {}, "it began anew"


def test_republications_of_a_job_get_rarer_and_are_forgotten() -> None:
    backoff, now, pauses = Backoff(), 0.0, []
    for _ in range(9):
        assert backoff.allows(["job/a", "job/b"], now)("job/b")
        due = backoff.due() or now
        pauses.append(due - now)
        now = due
        assert backoff.allows(["job/a"], now)("job/a")
        backoff.done("job/a", now)
    assert pauses == [0.0, FIRST, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST, LONGEST]
    assert not backoff.allows(["job/a"], now)("job/a")
    assert backoff.allows(["job/a"], now + KEPT)("job/a")
    backoff.done("job/a", now + KEPT)
    assert not backoff.allows(["job/a"], now + KEPT)("job/a")
    assert backoff.due() == now + KEPT + FIRST
