from msgspec import Raw

from job_engine.executor import holds as module
from job_engine.executor.holds import Held, Holds
from job_engine.job.attend import Finished, Granted, Released, Write


def granted(seq: int, attempt: int = 1) -> Granted:
    return Granted(seq, attempt, f"job/{seq}", "noop", Raw(b"{}"))


def grant(holds: Holds, seq: int, attempt: int = 1) -> Held:
    held = holds.grant(granted(seq, attempt), 0.0)
    assert held is not None
    return held


def done(held: Held, result: bytes | None = None) -> Finished:
    return Finished(*held.key, "SUCCESS", 1.0, 2.0, result=None if result is None else Raw(result))


def test_a_repeated_grant_is_known_until_its_end_was_heard() -> None:
    holds = Holds()
    held = grant(holds, 1)
    assert holds.grant(granted(1), 0.0) is None
    holds.finish(held, done(held))
    batch = holds.batch()
    assert holds.grant(granted(1), 0.0) is None
    holds.settled(batch)
    assert holds.grant(granted(1), 0.0) is not None


def test_another_attempt_at_a_job_is_another_hold() -> None:
    holds = Holds()
    held = grant(holds, 1)
    holds.release(held, Released(1, 1, "lost"))
    assert holds.grant(granted(1, 2), 0.0) is not None
    assert holds.batch().holds == [(1, 2)]


def test_what_ends_in_an_exchange_is_not_listed_in_it() -> None:
    holds = Holds()
    first, second, _ = (grant(holds, seq) for seq in (1, 2, 3))
    holds.finish(first, done(first))
    holds.release(second, Released(2, 1, "stopped"))
    batch = holds.batch()
    assert batch.holds == [(3, 1)]
    assert [(item.seq, item.state) for item in batch.finished] == [(1, "SUCCESS")]
    assert [(item.seq, item.why) for item in batch.released] == [(2, "stopped")]


def test_what_was_not_heard_is_told_again_before_what_came_later() -> None:
    holds = Holds()
    first, second = grant(holds, 1), grant(holds, 2)
    holds.finish(first, done(first))
    lost = holds.batch()
    holds.finish(second, done(second))
    holds.failed(lost)
    assert holds.urgent
    batch = holds.batch()
    assert [item.seq for item in batch.finished] == [1, 2]
    holds.settled(batch)
    assert len(holds) == 0
    assert not holds.urgent


def test_writes_keep_the_newest_value_also_when_an_older_one_is_told_again() -> None:
    holds = Holds()
    held = grant(holds, 1)
    holds.write(held, Write(1, 1, 5.0, {"progress": 1, "tags": ["a"]}, Raw(b"1"), [(1, 0.0, "INFO", "one")]))
    lost = holds.batch()
    holds.write(held, Write(1, 1, None, {"progress": 2}, Raw(b"2"), [(2, 0.0, "INFO", "two")]))
    holds.failed(lost)
    (write,) = holds.batch().writes.values()
    assert write.started == 5.0
    assert write.changes == {"progress": 2, "tags": ["a"]}
    assert write.checkpoint is not None
    assert bytes(write.checkpoint) == b"2"
    assert [line[3] for line in write.log] == ["one", "two"]


def test_a_hold_that_the_record_ended_is_told_of_no_more() -> None:
    holds = Holds()
    held = grant(holds, 1)
    holds.write(held, Write(1, 1, 5.0))
    assert holds.end((1, 1)) is held
    holds.finish(held, done(held))
    holds.release(held, Released(1, 1, "lost"))
    holds.write(held, Write(1, 1, 6.0))
    batch = holds.batch()
    assert (batch.holds, batch.size) == ([], 0)
    assert holds.end((1, 1)) is None


def test_writes_of_a_hold_that_ended_while_they_were_told_are_dropped() -> None:
    holds = Holds()
    holds.write(grant(holds, 1), Write(1, 1, 5.0))
    lost = holds.batch()
    holds.end((1, 1))
    holds.failed(lost)
    assert not holds.writes


def test_the_log_of_a_hold_that_the_record_ended_is_told_and_nothing_else() -> None:
    """Whether it came before the end was known, with a lost exchange, or afterwards."""
    holds = Holds()
    held = grant(holds, 1)
    lines = [(n, 1.0, "INFO", f"line {n}") for n in range(3)]
    holds.write(held, Write(1, 1, 5.0, {"progress": 1}, Raw(b"1"), lines[:1]))
    lost = holds.batch()
    holds.write(held, Write(1, 1, None, {"progress": 2}, Raw(b"2"), lines[1:2]))
    holds.end((1, 1))
    holds.failed(lost)
    holds.write(held, Write(1, 1, None, {"progress": 3}, Raw(b"3"), lines[2:]))
    assert not holds.urgent
    assert holds.batch().writes == {(1, 1): Write(1, 1, None, {}, None, lines)}


def test_large_ends_go_in_several_exchanges_and_stay_listed_until_they_are_told(monkeypatch) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 100)
    holds = Holds()
    for seq in (1, 2, 3):
        held = grant(holds, seq)
        holds.finish(held, done(held, b'"' + 60 * b"x" + b'"'))
    batch = holds.batch()
    assert [item.seq for item in batch.finished] == [1]
    assert batch.holds == [(2, 1), (3, 1)]
    assert holds.urgent


def test_a_part_tells_writes_before_ends() -> None:
    holds = Holds()
    held = grant(holds, 1)
    holds.write(held, Write(1, 1, 5.0))
    holds.finish(held, done(held))
    assert holds.batch(0).size == 0
    part = holds.batch(1)
    assert list(part.writes) == [(1, 1)]
    assert part.holds == [(1, 1)]
    assert holds.batch(1).finished


def test_what_the_record_does_not_take_is_told_in_the_plainest_form() -> None:
    holds = Holds()
    held = grant(holds, 1)
    holds.finish(held, done(held, b"odd"))
    batch = holds.batch(1)
    holds.failed(batch)
    holds.blame(batch, "odd")
    (plain,) = holds.batch(1).finished
    assert (plain.state, plain.result) == ("FAILED", None)
    assert "odd" in (plain.message or "")
