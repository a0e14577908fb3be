"""Each distribution stands alone, a stop is at once, and people can pause and run what they like."""

import msgspec

from tests.integration.engine_processes import until

TROUBLED = """
import asyncio, threading
from job_engine import distribution

@distribution(every=0.2)
def raises():
    1 / 0

@distribution(every=0.2)
def hangs():
    threading.Event().wait()

@distribution(every=0.2, timeout=0.3)
async def hangs_too():
    await asyncio.Event().wait()

@distribution(every=0.2)
def bad_ones():
    yield {"action": "good", "target-resource": {"href": "job"}}
    yield {"action": "good", "priority": 1000}
    yield "nothing"

@distribution(every=0.2, unless_active=True)
def once_at_a_time():
    yield {"action": "slow", "target-resource": {"href": "nuvlabox/1"}}
    yield {"action": "slow", "target-resource": {"href": "nuvlabox/2"}}

@distribution(every=0.2)
def fine():
    yield {"action": "fine"}
"""
RARE = """
from job_engine import distribution

@distribution(every="1d", missed="skip")
def rare(tick):
    yield {"action": "rare", "name": tick.due.isoformat()}
    yield {"action": "seen", "name": str(tick.client.count("action='rare'"))}
"""


def test_what_raises_hangs_or_yields_nonsense_holds_up_no_other(place):
    (one,) = place.start("--distributions", place.file(TROUBLED))
    until(lambda: place.client.count("action='fine'") >= 8, "ticks of fine")
    one.says("distribution raises: ZeroDivisionError: division by zero")
    one.says("distribution hangs-too: it has not ended within 0.3 s")
    assert one.log.count("Traceback (most recent call last)") == 1
    assert place.client.count("action='good'") >= 2
    assert place.client.count("action='slow'") == 2
    until(lambda: "ZeroDivisionError" in place.document("raises").get("last-error", ""), "the error in the record")
    assert "nothing" in place.document("bad-ones")["last-error"]
    assert place.document("once-at-a-time")["jobs-made"] == 2
    assert one.stop() == 0
    assert "has stopped" in one.log
    assert "calls of distributions were still under way" in one.log


def test_a_run_that_was_asked_for_paused_or_not(place):
    place.start("--distributions", place.file(RARE))
    until(lambda: place.document("rare"), "the distribution in the record")
    place.client.run_distribution("rare")
    until(lambda: place.client.count("action='rare'") == 1, "the run")
    assert place.client.pause_distribution("rare")["paused"]
    place.client.run_distribution("rare")
    until(lambda: place.client.count("action='rare'") == 2, "the run of a paused one")
    document = place.document("rare")
    assert "run-at" not in document
    assert document["jobs-made"] == 4
    assert "last-tick" not in document
    assert place.client.count("action='seen' and name='1'") == 1


def test_nothing_is_made_while_paused(place):
    place.start("--distributions", place.often("once"))
    place.more()
    place.client.pause_distribution("often")
    calls = len(place.calls())
    # The distributor has heard of it when it asks again, knowing it; then the newest tick is the last one.
    until(lambda: place.document()["paused"] and len(place.calls()) - calls < 50, "the pause")
    last = place.last_tick()
    place.client.resume_distribution("often")
    place.more()
    assert place.last_tick() > last
    dues = place.dues()
    assert len(dues) == len(set(dues))


def test_a_tick_of_more_jobs_than_a_transaction_takes(place):
    many = 'from job_engine import distribution\n@distribution(every="1d")\ndef many():\n'
    place.start("--distributions", place.file(many + '    return [{"action": "one-of-many"}] * 10_001\n'))
    until(lambda: place.document("many"), "the distribution in the record")
    place.client.run_distribution("many")
    until(lambda: place.client.count("action='one-of-many'") == 10_001, "all of them")
    assert place.document("many")["jobs-made"] == 10_001


def test_who_led_in_an_election_is_forgotten_where_there_is_none(place):
    said = {"name": "often", "leader": "gone", "contenders": ["gone"]}
    place.client._json(
        "POST", "/api/distribution/report", msgspec.json.encode({"distributor": "gone", "distributions": [said]})
    )
    assert place.document()["leader"] == "gone"
    place.start("--distributions", place.often())
    until(lambda: not {"leader", "contenders"} & place.document().keys(), "another document")
