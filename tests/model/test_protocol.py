"""The protocol holds in small, and each of its rules is there for a reason."""

import pytest

from tests.model.protocol import FAULTS
from tests.model.search import search
from tests.model.world import RULES

pytestmark = pytest.mark.timeout(600)  # it is all computing: on a busy machine a world takes minutes

ABOUT_KAZOO = {"expire", "kazoo dies", "ghost", "silent"}
ABOUT_OURS = FAULTS.keys() - ABOUT_KAZOO

WORLDS = {
    "calls": {"faults": "zookeeper record late".split(), "budget": 2},
    "zombies": {"faults": "late crash race zookeeper".split(), "budget": 2},
    "wipe": {"faults": "wipe late".split(), "budget": 2},
    "disk": {"faults": "disk late".split(), "budget": 1},
    "restore": {"faults": "restore late record".split(), "budget": 2},
    "tries": {"faults": "record again".split(), "budget": 2, "executors": 1},
    "calls alone": {"faults": "zookeeper record late".split(), "budget": 2, "executors": 1},
    "bulk": {"faults": "detach crash record".split(), "budget": 2, "executors": 1},
    "kazoo": {"faults": "expire late".split(), "budget": 2, "kazoo": True},
    "kazoo fails": {"faults": ABOUT_KAZOO, "budget": 1, "kazoo": True},
    "moves": {"faults": "move late record".split(), "budget": 2},
    "twice": {"faults": "twice late record".split(), "budget": 2},
    "two jobs": {"faults": ["wipe"], "budget": 1, "jobs": 2, "executors": 1},
    "any one": {"faults": ABOUT_OURS, "budget": 1},
    "any one with kazoo": {"faults": FAULTS, "budget": 1, "kazoo": True},
    "any two": {"faults": ABOUT_OURS - {"restore"}, "budget": 2, "executors": 1},
}


@pytest.mark.parametrize("world", WORLDS)
def test_every_job_ends_once_whatever_the_order(world):
    found = search(**WORLDS[world])
    assert not found.broken, "\n".join([found.broken, *found.trace])
    assert found.states > 100, "too small to say anything"


NEEDED_IN = {
    "claim detached": "kazoo fails",
    "compare takes": "disk",
    "end holds": "bulk",
    "eras": "restore",
    "fence": "disk",
    "final": "disk",
    "foreign fence": "kazoo",
    "ghosts": "kazoo fails",
    "give back": "tries",
    "leave watched": "bulk",
    "look before repeating": "calls",
    "member": "zombies",
    "publish": "disk",
    "publish detached": "kazoo fails",
    "release unknown takes": "disk",
    "same again": "calls alone",
    "wait": "any one",
}
STANDS_IN = {"same again": ["give back"]}
"""A rule that would do for the other one, slower: what is not granted again is given back, and granted anew."""


def test_each_rule_is_in_the_table():
    assert NEEDED_IN.keys() == RULES


@pytest.mark.parametrize("rule", NEEDED_IN)
def test_without_this_rule_something_breaks(rule):
    instead = STANDS_IN.get(rule, [])
    world = WORLDS[NEEDED_IN[rule]]
    assert search(**world, without=[rule, *instead]).broken
    assert not instead or not search(**world, without=instead).broken
