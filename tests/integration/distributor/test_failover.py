"""One distribution, several distributors: each tick once, whatever becomes of them. With `all` none is missing."""

import itertools
import signal

import pytest

from tests.integration.distributor.scene import EVERY, SESSION


def test_leaders_that_die_stop_and_are_cut_off(cluster):
    every = 0.5
    cluster.start("--distributions", cluster.often(every=every), count=3)
    killed = cluster.leader()
    cluster.more()
    killed.signal(signal.SIGKILL)
    cluster.led_by_another_than(killed)
    frozen = cluster.idle_leader(every)  # nobody can take back a call that is just being made
    frozen.signal(signal.SIGSTOP)
    cut = cluster.led_by_another_than(frozen)
    frozen.signal(signal.SIGCONT)
    cut.proxy.set(up="hold", down="hold")
    last = cluster.led_by_another_than(cut)
    assert last is frozen  # the third one is back
    cut.proxy.set(up="pass", down="pass")
    cluster.more()
    cluster.check(every)
    only_one_at_a_time(cluster)


def only_one_at_a_time(place):
    """The function was called by one process after the other; a tick twice only where the leader changed."""
    calls = place.calls()
    changes = sum(before[0] != after[0] for before, after in itertools.pairwise(calls))
    again = len(calls) - len({due for _, due in calls})
    assert changes == 3
    assert again <= changes


def test_a_leader_that_stops_hands_over_at_once(cluster):
    first, second = cluster.start("--distributions", cluster.often(missed="skip"), count=2)
    leader = cluster.leader()
    other = second if leader is first else first
    cluster.more()
    assert leader.stop() == 0
    other.says("leads often")
    cluster.more()
    cluster.check(gaps=round(SESSION / EVERY / 2))  # a session that had to end would have cost more
    assert cluster.document()["ticked-by"] == other.name


def test_without_zookeeper_all_tick_and_the_record_makes_it_once(place):
    one, two = place.start("--distributions", place.often(), count=2)
    place.more(5)
    one.signal(signal.SIGKILL)
    place.more(5)
    two.signal(signal.SIGSTOP)
    three = place.start("--distributions", place.often())[0]
    place.more(5)
    two.signal(signal.SIGCONT)
    place.more(5)
    place.check()
    assert {pid for pid, _ in place.calls()} == {one.process.pid, two.process.pid, three.process.pid}


@pytest.mark.parametrize("missed", ["once", "all"])
def test_an_api_server_that_dies_costs_time_and_no_tick(place, missed):
    (one,) = place.start("--distributions", place.often(missed))
    place.more()
    place.engine.kill_server()
    one.says("it goes on when that answers")
    place.engine.start_server()
    place.more(5)
    dues = place.check(gaps=0 if missed == "all" else 1000)
    assert len(dues) == len(set(dues))
    one.says("works again")


def test_who_comes_later_goes_on_where_the_last_one_was(place):
    (one,) = place.start("--distributions", place.often())
    place.more()
    assert one.stop() == 0
    last = place.last_tick()
    place.start("--distributions", place.often())
    place.more()
    place.check()
    assert last in place.dues()
