"""What is told to the record is told once; what it says wakes the leader once."""

import asyncio

from job_engine import distribution
from job_engine.distributor.distribution_state import DistributionState

DESCRIBED = {"every": "1s", "cron": None, "timezone": None, "missed": "once", "description": None}


@distribution(every=1)
def often(): ...


def test_news_are_told_once():
    state = DistributionState(often, asyncio.Event())
    assert state.telling.is_set()
    assert state.news() == DESCRIBED
    assert state.news() is None
    state.telling.clear()
    state.tell(leader="me", last_error=None)
    assert state.telling.is_set()
    assert state.news() == {"leader": "me"}
    state.telling.clear()
    state.tell(leader="me")
    assert not state.telling.is_set()
    state.tell(leader="you")
    assert state.news() == {"leader": "you"}


def test_what_did_not_arrive_is_told_again_unless_there_is_newer():
    state = DistributionState(often, asyncio.Event())
    news = state.news()
    state.tell(missed="all", last_error="x")
    state.untold(news)
    assert state.news() == DESCRIBED | {"missed": "all", "last-error": "x"}


def test_what_the_record_shows_by_itself_is_not_told():
    state = DistributionState(often, asyncio.Event())
    state.tell(last_error="x", next_tick="1")
    state.shown(last_error=None, next_tick="2")
    assert state.news() == DESCRIBED
    state.tell(next_tick="2")
    assert state.news() is None
    state.tell(last_error="x")
    assert state.news() == {"last-error": "x"}


def test_a_run_that_is_done_is_not_asked_for_again():
    state = DistributionState(often, asyncio.Event())
    state.heard(False, "now")
    assert state.woken.is_set()
    state.ran("now")
    state.woken.clear()
    state.heard(False, "now")
    assert (state.run_at, state.woken.is_set(), state.known) == (None, False, (False, "now"))
    state.heard(False, "later")
    assert (state.run_at, state.woken.is_set()) == ("later", True)


def test_a_run_that_is_asked_for_during_another_is_not_lost():
    state = DistributionState(often, asyncio.Event())
    state.heard(False, "first")
    state.heard(False, "second")
    state.ran("first")
    assert state.run_at == "second"
    state.heard(False, "second")
    assert state.run_at == "second"
