"""What is told to the record is told once; what it says wakes the leader once."""

import asyncio

from job_engine import distribution
from job_engine.distributor.standing import Standing

DESCRIBED = {"every": "1s", "cron": None, "timezone": None, "missed": "once", "description": None}


@distribution(every=1)
def often(): ...


def test_news_are_told_once():
    standing = Standing(often, asyncio.Event())
    assert standing.telling.is_set()
    assert standing.news() == DESCRIBED
    assert standing.news() is None
    standing.telling.clear()
    standing.tell(leader="me", last_error=None)
    assert standing.telling.is_set()
    assert standing.news() == {"leader": "me"}
    standing.telling.clear()
    standing.tell(leader="me")
    assert not standing.telling.is_set()
    standing.tell(leader="you")
    assert standing.news() == {"leader": "you"}


def test_what_did_not_arrive_is_told_again_unless_there_is_newer():
    standing = Standing(often, asyncio.Event())
    news = standing.news()
    standing.tell(missed="all", last_error="x")
    standing.untold(news)
    assert standing.news() == DESCRIBED | {"missed": "all", "last-error": "x"}


def test_what_the_record_shows_by_itself_is_not_told():
    standing = Standing(often, asyncio.Event())
    standing.tell(last_error="x", next_tick="1")
    standing.shown(last_error=None, next_tick="2")
    assert standing.news() == DESCRIBED
    standing.tell(next_tick="2")
    assert standing.news() is None
    standing.tell(last_error="x")
    assert standing.news() == {"last-error": "x"}


def test_a_run_that_is_done_is_not_asked_for_again():
    standing = Standing(often, asyncio.Event())
    standing.heard(False, "now")
    assert standing.woken.is_set()
    standing.ran("now")
    standing.woken.clear()
    standing.heard(False, "now")
    assert (standing.run_at, standing.woken.is_set(), standing.known) == (None, False, (False, "now"))
    standing.heard(False, "later")
    assert (standing.run_at, standing.woken.is_set()) == ("later", True)


def test_a_run_that_is_asked_for_during_another_is_not_lost():
    standing = Standing(often, asyncio.Event())
    standing.heard(False, "first")
    standing.heard(False, "second")
    standing.ran("first")
    assert standing.run_at == "second"
    standing.heard(False, "second")
    assert standing.run_at == "second"
