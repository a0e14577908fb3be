"""The protocol holds in small, and each of its rules is there for a reason."""

import pytest

from tests.model.protocol import RULES
from tests.model.search import search

WORLDS = {
    "calls": {"faults": "zookeeper record late".split(), "budget": 2},
    "zombies": {"faults": "late crash race zookeeper".split(), "budget": 2},
    "wipe": {"faults": "wipe late".split(), "budget": 2},
    "kazoo": {"faults": "expire late".split(), "budget": 2, "kazoo": True},
    "twice": {"faults": "twice late record".split(), "budget": 2},
    "two jobs": {"faults": ["wipe"], "budget": 1, "jobs": 2, "executors": 1},
}


@pytest.mark.parametrize("world", WORLDS)
def test_every_job_ends_once_whatever_the_order(world):
    found = search(**WORLDS[world])
    assert not found.broken, "\n".join([found.broken, *found.trace])
    assert found.states > 500, "too small to say anything"


NEEDED_IN = {
    "end holds": "calls",
    "fence": "calls",
    "final": "calls",
    "foreign fence": "kazoo",
    "look before repeating": "calls",
    "member": "zombies",
    "publish": "wipe",
    "release unknown takes": "calls",
    "same again": "calls",
    "wait": "wipe",
}


def test_each_rule_is_in_the_table():
    assert NEEDED_IN.keys() == RULES


@pytest.mark.parametrize("rule", NEEDED_IN)
def test_without_this_rule_something_breaks(rule):
    assert search(**WORLDS[NEEDED_IN[rule]], without=rule).broken
