"""What a decorated function is, and what it makes of a tick."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from job_engine import Invalid, Tick, action, distribution
from job_engine.distributor.distribution import MOST, NoJobsError

TICK = Tick("any", datetime(2026, 1, 2, 3, tzinfo=UTC))
JOB = {"action": "noop"}


@action
def checksum_tree(job, root: str): ...


def made(target, **options):
    return distribution("any", every=1, **options)(target).jobs(TICK)


def test_calls_of_actions_become_documents():
    @distribution(every="30s")
    def two():
        yield checksum_tree.job(root="/usr/lib")
        yield checksum_tree.options(priority=3, target="nuvlabox/1").job(root="/tmp")

    assert two.jobs(TICK) == [
        {"action": "checksum-tree", "payload": '{"root":"/usr/lib"}'},
        {
            "action": "checksum-tree",
            "payload": '{"root":"/tmp"}',
            "priority": 3,
            "target-resource": {"href": "nuvlabox/1"},
        },
    ]


def test_everything_that_yields_jobs():
    async def later():
        await asyncio.sleep(0)
        return [JOB]

    async def stream():
        yield JOB
        await asyncio.sleep(0)
        yield JOB

    async def hands_out():
        return stream()

    assert made(lambda: JOB) == [JOB]
    assert made(lambda: [JOB, JOB]) == [JOB, JOB]
    assert made(lambda: None) == []
    assert made(lambda: iter(())) == []
    assert made(later) == [JOB]
    assert made(stream) == [JOB, JOB]
    assert made(hands_out) == [JOB, JOB]


def test_the_tick_is_for_who_asks():
    def optional(limit=3):
        return [{"n": limit}]

    def by_name(tick=None):
        return [{"due": tick.due.hour}]

    assert made(lambda when: [{"due": when.due.hour, "of": when.distribution}]) == [{"due": 3, "of": "any"}]
    assert made(optional) == [{"n": 3}]
    assert made(by_name) == [{"due": 3}]


@pytest.mark.parametrize("wrong", ["text", b"bytes", 3, object()])
def test_what_is_no_series_of_jobs_is_said(wrong):
    with pytest.raises(NoJobsError, match="yield several"):
        made(lambda: wrong)


def test_a_loop_without_end_is_an_error_and_stops():
    def endless():
        while True:
            yield JOB

    with pytest.raises(NoJobsError, match=str(MOST)):
        made(endless)


def test_nobody_goes_on_for_nobody():
    ended = []

    def many():
        with contextlib.ExitStack() as stack:
            stack.callback(ended.append, True)
            for n in range(100):
                yield {"n": n}

    asked = iter([True, True, False])
    assert len(distribution(every=1)(many).jobs(TICK, lambda: next(asked))) == 3
    assert ended == [True]


def test_it_is_still_a_function():
    @distribution("its-name", cron="0 3 * * *", timezone="Europe/Zurich", missed="all", timeout="1m")
    def nightly(root="/"):
        """Look at everything.

        At night."""
        return root

    assert nightly("/x") == "/x"
    assert (nightly.name, nightly.registered, nightly.timeout) == ("its-name", "its-name", 60)
    assert nightly.described == {
        "every": None,
        "cron": "0 3 * * *",
        "timezone": "Europe/Zurich",
        "missed": "all",
        "description": "Look at everything.",
    }
    assert vars(nightly)["__name__"] == "nightly"


def test_the_name_is_the_functions():
    @distribution(every="1h")
    def look_at_all(): ...

    assert look_at_all.name == "look-at-all"
    assert look_at_all.described["every"] == "3600s"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "a schedule is"),
        ({"every": 1, "missed": "some"}, "missed is one of skip, once, all, not 'some'"),
        ({"every": 1, "timeout": 0}, "more than 0"),
        ({"every": 1, "timeout": "long"}, "distribution 'look': 'long' is not a duration"),
        ({"every": 1, "name": "a/b"}, "cannot be the name"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, said):
    def look(): ...

    with pytest.raises(Invalid, match=said):
        distribution(**options)(look)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(Invalid, match="one argument: the tick"):
        distribution("any", every=1)(lambda tick, more: None)
    with pytest.raises(Invalid, match="a function that yields jobs"):
        distribution(every=1)(dict)
    with pytest.raises(Invalid, match="needs a schedule"):
        distribution(lambda: None)
