"""What a leader makes of due times, failures, an API server that is away, pauses and clocks that are set."""

import asyncio
import logging

import pytest

from job_engine import Forbidden, Invalid, Unavailable, Unreachable
from job_engine.client import Client
from job_engine.distributor import leader
from job_engine.distributor.distribution import Distribution
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.leader import BACKOFF_SECONDS, Leader
from job_engine.distributor.records import PausedError
from job_engine.job.times import iso
from tests.unit.distributor.scene import NOW, PATIENCE, SECOND, Memory, clock, play


def every(seconds=1, function=lambda: {"action": "noop"}, **options):
    return Distribution(function, "often", every=seconds, **options)


def seconds_of(record):
    return [(due - NOW) // SECOND for due in record.made]


def test_each_tick_once_and_in_time():
    record = Memory()
    play(every(2), record, clock(10))
    assert seconds_of(record) == [2, 4, 6, 8, 10]
    assert record.asked == list(record.made)
    assert record.made[NOW + 2 * SECOND] == [{"action": "noop"}]


def test_a_tick_knows_its_due_time():
    seen = []
    play(every(3, lambda tick: seen.append((tick.distribution, tick.due.timestamp()))), Memory(), clock(3))
    assert seen == [("often", NOW / 1000 + 1)]  # counted from the epoch


@pytest.mark.parametrize(("missed", "made"), [("skip", [0, 1]), ("once", [0, 1]), ("all", [-4, -3, -2, -1, 0, 1])])
def test_what_was_missed_before_this_leader_goes_by_the_policy(missed, made):
    record = Memory(last=NOW - 5 * SECOND)
    play(every(1, missed=missed), record, clock(1))
    assert seconds_of(record) == made


def test_skip_leaves_out_what_is_late():
    record = Memory(last=NOW - 3 * 3600 * SECOND)
    play(every(3600, missed="skip"), record, clock(3000))
    assert seconds_of(record) == [NOW // SECOND // 3600 * 3600 + 3600 - NOW // SECOND]


def test_a_lost_answer_is_asked_for_again_with_the_same_tick():
    record = Memory()
    record.lost_answers = 2
    play(every(5), record, clock(10))
    assert record.asked == [NOW + 5 * SECOND] * 3 + [NOW + 10 * SECOND]
    assert seconds_of(record) == [5, 10]


@pytest.mark.parametrize(("missed", "made"), [("once", [1, 7, 8]), ("all", [1, 2, 3, 4, 5, 6, 7, 8])])
def test_an_api_that_is_away_delays_the_tick_and_then_the_policy_decides(missed, made, caplog):
    record = Memory()
    record.errors = [Unreachable(), Unreachable("gone"), Unavailable(), Unreachable(), Unreachable()]
    time = clock(8)
    with caplog.at_level(logging.WARNING):
        play(every(1, missed=missed), record, time)
    assert [round(pause, 1) for pause in time.slept] == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert seconds_of(record) == made
    said = [r.levelname for r in caplog.records if r.levelno >= logging.WARNING]
    assert said == ["ERROR", "ERROR", "ERROR", "ERROR", "WARNING"]
    assert "works again after 5 failures" in caplog.messages[-1]


def test_the_record_may_come_later_than_the_leader():
    record, time = Memory(last=NOW - 10 * SECOND), clock(1)
    record.late = [Unreachable(), Unavailable()]
    play(every(1), record, time)
    assert seconds_of(record) == [0, 1]
    assert len(time.slept) == 2


def test_a_function_that_raises_is_tried_again_with_backoff_and_said_once(caplog):
    calls = []

    def raises():
        calls.append(1)
        if len(calls) < 5:
            raise ValueError("no\nnumbers")
        return {"action": "noop"}

    time, record = clock(60), Memory()
    with caplog.at_level(logging.WARNING):
        state = play(every(60, raises), record, time)
    assert time.slept == [1, 2, 4, 8]
    assert len(record.made) == 1  # the same tick, made in the end
    errors = [r for r in caplog.records if r.levelname == "ERROR"]
    assert [bool(r.exc_info) for r in errors] == [True]
    assert "distribution often: ValueError: no numbers" in errors[0].getMessage()
    assert "works again after 4" in caplog.messages[-1]
    assert state.news()["last-error"] == "ValueError: no numbers"


def test_another_error_is_said_anew(caplog):
    errors = iter([ValueError("a"), ValueError("a"), KeyError("b"), ValueError("a")])

    def raises():
        raise next(errors, OSError("c"))

    play(every(1, raises), Memory(), clock(8))
    assert [r.getMessage().partition(";")[0] for r in caplog.records if r.levelname == "ERROR"] == [
        "distribution often: ValueError: a",
        "distribution often: KeyError: 'b'",
        "distribution often: ValueError: a",
    ]


def test_a_tick_that_fails_is_given_up_when_the_next_one_is_due():
    def raises(tick):
        if tick.due.timestamp() == NOW / 1000 + 2:
            raise ValueError

    record, time = Memory(), clock(6)
    play(every(1, raises, missed="all"), record, time)
    assert seconds_of(record) == [1, 3, 4, 5, 6]
    assert time.slept == [1]


def test_backoff_has_an_end():
    def raises():
        raise ValueError

    time = clock(3600)
    play(every(1, raises), Memory(), time)
    assert time.slept[-1] == BACKOFF_SECONDS[1]


@pytest.mark.parametrize("ends", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration()])
def test_a_function_cannot_end_the_distributor(ends):
    def raises():
        raise ends

    state = play(every(1, raises), Memory(), clock(2))
    assert type(ends).__name__ in state.news()["last-error"]


def test_what_the_server_refuses_is_a_failure():
    record = Memory()
    record.errors = [Forbidden("not you")]
    time = clock(3)
    state = play(every(1), record, time)
    assert state.news()["last-error"] == "not you"
    assert (time.slept, seconds_of(record)) == ([1], [2, 3])


@pytest.mark.parametrize("refused", [False, True])
def test_a_clock_that_was_an_hour_ahead_for_some_seconds_costs_no_tick_afterwards(refused):
    record, time = Memory(), clock(4000)
    time.steps = [3600 * SECOND, *[SECOND] * 8, -3600 * SECOND]
    if refused:  # as our record does: by its clock they are not due
        record.errors = [Invalid("ahead of the server's clock")] * 4
    play(every(10), record, time)
    back = [due for due in seconds_of(record) if due < 1000]
    assert back[:3] == [10, 20, 30]


def test_no_tick_is_made_while_paused_and_then_the_policy_decides():
    record, time = Memory(last=NOW), clock(12)

    def act(state):
        state.heard(True, None)
        time.time += 9 * SECOND
        asyncio.get_running_loop().call_later(0.05, state.heard, False, None)

    play(every(2, missed="once"), record, time, act)
    assert seconds_of(record) == [8, 10, 12]


def test_a_tick_that_the_record_does_not_want_is_offered_again():
    record, time = Memory(), clock(12)
    record.errors = [PausedError(), PausedError()]
    play(every(2, missed="once"), record, time)
    assert [(due - NOW) // SECOND for due in record.asked] == [2, 6, 12]


def test_a_run_that_was_asked_for_is_made_at_its_time_once_paused_or_not():
    record, time = Memory(), clock(1)
    asked = iso(NOW / 1000 - 0.5)

    def act(state):
        state.heard(True, asked)
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, state.heard, True, asked)  # the record had not heard yet
        loop.call_later(0.1, state.heard, False, None)

    play(every(1), record, time, act)
    assert list(record.made) == [NOW - 500, NOW + SECOND]
    assert record.asked == [NOW - 500, NOW + SECOND]


def test_a_run_that_fails_is_over_and_says_so():
    def raises():
        raise ValueError("no")

    record, time = Memory(), clock(0)

    def act(state):
        state.heard(False, iso(NOW / 1000 - 0.5))

    state = play(every(1, raises), record, time, act)
    assert record.made == {NOW - 500: []}
    assert state.news()["last-error"] == "ValueError: no"
    assert state.run_at is None


async def test_a_run_that_is_asked_for_does_not_wait_for_the_pause_after_a_failure(monkeypatch):
    """By the machine's clock: what wakes a leader is what is tried here."""
    monkeypatch.setattr(leader, "BACKOFF_SECONDS", (3600.0, 3600.0))
    calls = []

    def raises():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        return {"action": "noop"}

    ran = asyncio.Event()

    class Noting(Memory):
        async def finish(self, state, due, made, lead):
            if due == NOW:
                ran.set()

    state = DistributionState(every(86400, raises), asyncio.Event())
    state.telling.clear()
    task = asyncio.create_task(Leader(state, Noting(last=0), Client).lead())
    async with asyncio.timeout(PATIENCE):
        await state.telling.wait()
        assert "last-error" in state.news()
        state.heard(False, iso(NOW / 1000))
        await ran.wait()
    task.cancel()
    await asyncio.wait({task})


def test_a_run_that_a_leader_loses_is_for_the_next_one():
    class Lead:
        valid = True

    class Losing(Memory):
        async def tick(self, *args):
            lead.valid = False
            asyncio.get_running_loop().call_soon(time.over.set)
            raise PausedError  # as records do that ask `still` first

    lead, time, asked = Lead(), clock(1), iso(NOW / 1000 - 0.5)
    state = play(every(1), Losing(), time, lambda state: state.heard(False, asked), lead)
    assert state.run_at == asked


def test_a_wrong_document_is_named_by_its_place_and_logged_once_until_it_changes(caplog):
    documents = [{"action": "noop"}, {"action": "bad"}]
    record = Memory()
    record.refused = ((1, "too big"),)

    def changes(tick):
        if tick.due.timestamp() > NOW / 1000 + 3:
            record.refused = ((1, "too small"),)
        return documents

    state = play(every(1, changes), record, clock(6))
    assert [r.getMessage().partition("wrong: ")[2] for r in caplog.records if r.levelname == "ERROR"] == [
        "job 2 of the tick (action bad): too big",
        "job 2 of the tick (action bad): too small",
    ]
    assert state.news()["last-error"] == "job 2 of the tick (action bad): too small"
    assert record.finished == list(record.made)


def test_who_repeats_a_tick_leaves_the_error_of_who_made_it_alone():
    record = Memory()
    record.made = {NOW + SECOND: []}
    state = play(every(1, lambda: ["no document"]), record, clock(1))
    assert record.asked == [NOW + SECOND]
    assert "last-error" not in state.news()


@pytest.mark.parametrize("missed", ["once", "all"])
def test_a_clock_that_is_set_makes_no_tick_twice(missed):
    record, time = Memory(), clock(40)
    time.steps = [1000, 5000, -3000, 500, 500, -2000, 4000, 10_000, -9000]
    play(every(1, missed=missed), record, time)
    assert record.asked == sorted(set(record.asked))
    if missed == "all":
        assert seconds_of(record) == list(range(1, 41))


def test_bad_jobs_fail_alone():
    def some():
        yield {"action": "noop"}
        yield "noop"
        yield {"action": "noop", "payload": object()}
        yield {"action": "noop", "priority": 3}

    record = Memory()
    state = play(every(1, some), record, clock(1))
    assert record.made[NOW + SECOND] == [{"action": "noop"}, {"action": "noop", "priority": 3}]
    assert "job 2 of the tick is str 'noop'" in (said := state.news()["last-error"])
    assert "job 3 of the tick (action noop) cannot be written as JSON" in said


def test_a_tick_without_jobs_is_a_tick():
    record = Memory()
    play(every(1, lambda: None), record, clock(2))
    assert list(record.made.values()) == [[], []]


@pytest.mark.parametrize(("missed", "said"), [("skip", "none is made"), ("once", "one is made for all")])
def test_what_becomes_of_missed_ticks_is_said(missed, said, caplog):
    with caplog.at_level(logging.INFO):
        play(every(1, missed=missed), Memory(last=NOW - 5 * SECOND), clock(1))
    assert f"several were missed; {said} (missed={missed})" in caplog.text
