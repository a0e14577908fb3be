"""Distributions load as actions do, upstream's classes among them; then some are chosen."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from job_engine import Invalid
from job_engine.distributor.choice import chosen
from job_engine.distributor.load import load
from job_engine.distributor.settings import DistributorSettings
from job_engine.distributor.upstream import UpstreamDistributor
from tests.unit.files import write

pytestmark = pytest.mark.usefixtures("own_modules")

SETTINGS = DistributorSettings(api_url="http://127.0.0.1:1")
OWN = """
from job_engine import distribution
@distribution(every="5s")
def {name}(): return None
"""
UPSTREAM = """
import time
class Distributions:
    distributions = {}
def distribution(name):
    def register(cls):
        Distributions.distributions[name] = cls
        return cls
    return register
"""
CLASS = """
from ..distributions import distribution
class Loops:
    def __init__(self, name, distributor):
        self.distribution_name, self.distributor, self.collect_interval = name, distributor, 60
    def _start_distribution(self):
        while True: pass
    def job_generator(self):
        yield {"action": self.distribution_name, "target-resource": {"href": "job"}}

@distribution("registered_name")
class Own(Loops):
    DISTRIBUTION_NAME = "election_name"
    def __init__(self, distributor):
        super(Own, self).__init__(self.DISTRIBUTION_NAME, distributor)
        self.collect_interval = 30
        self._state = 3
        self._start_distribution()

@distribution("plain")
class Plain(Loops):
    def __init__(self, distributor):
        super().__init__("plain", distributor)
        self._start_distribution()
        self.after = 1
    def job_generator(self):
        self.distributor.publish_metric("x", 1)
        return []
"""


def loaded(*sources):
    return load(sources, UpstreamDistributor(SETTINGS, "me"), entry_points=False)


def test_files_modules_and_folders_and_what_fails_is_named():
    write("one.py", OWN.format(name="first_one"))
    write("two.py", OWN.format(name="second"))
    write("more/three.py", OWN.format(name="third"))
    write("more/four.py", "1 / 0")
    write("more/five.py", OWN.format(name="second"))
    found = loaded("one.py", "two", "more")
    assert found.names() == ["first-one", "second", "third"]
    assert "ZeroDivisionError" in next(iter(found.failed.values()))
    assert found.duplicates == ["distribution 'second' of five.second is already that of two.second"]
    with pytest.raises(Invalid, match="to load distributions from"):
        loaded("nowhere.py")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('every="1s", cron="* * * * *"', "give every or cron, not both"),
        ('cron="0 0 31 2 *"', "'0 0 31 2 *' never comes: none of its months has such a day"),
        ('"a name"', "cannot be the name of a distribution"),
    ],
)
def test_a_wrong_schedule_is_that_of_a_line_of_its_author(options, said):
    file = write("mine.py", f"from job_engine import distribution\n\n\n@distribution({options})\ndef mine(): ...\n")
    (why,) = loaded("mine.py").failed.values()
    assert said in why
    assert why.endswith(f"({file.resolve()}, line 4)")


def test_entry_points(monkeypatch):
    write("plugin.py", OWN.format(name="plugged"))
    write("plugin.dist-info/METADATA", "Name: plugin\nVersion: 1\n")
    write("plugin.dist-info/entry_points.txt", "[job_engine.distributions]\nall = plugin\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    assert "plugged" in load((), UpstreamDistributor(SETTINGS, "me")).names()


def test_upstreams_classes_as_they_are():
    """In a process of its own: the stand-in has upstream's name."""
    write("nuvla/job_engine/job/distributions/__init__.py", UPSTREAM + "\nfrom . import theirs\n")
    write("nuvla/job_engine/job/distributions/theirs.py", CLASS)
    program = """
        from job_engine.distributor.choice import chosen
        from job_engine.distributor.load import load
        from job_engine.distributor.settings import DistributorSettings
        from job_engine.distributor.upstream import UpstreamDistributor
        settings = DistributorSettings(api_url="http://127.0.0.1:1", intervals=(("election_name", 7),))
        found = load(["nuvla.job_engine.job.distributions"], UpstreamDistributor(settings, "me"))
        print(found.names(), found.failed, found.duplicates)
        own, plain = found.get("election_name"), found.get("plain")
        print(own.registered, own.described["every"], own.jobs(None), plain.described["every"], plain.jobs(None))
        print(chosen(found, settings).get("election_name").described["every"])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['election_name', 'plain'] {} []",
        "registered_name 30s [{'action': 'election_name', 'target-resource': {'href': 'job'}}] 60s []",
        "7s",
    ]


def test_built_in_ones_unless_somebody_has_the_name():
    write("mine.py", OWN.format(name="other"))
    found = chosen(loaded("mine.py"), SETTINGS)
    assert found.names() == ["cleanup_jobs", "other"]
    (job,) = found.get("cleanup_jobs").jobs(None)
    assert (job["action"], job["payload"]) == ("cleanup_jobs", '{"keep":604800.0}')
    assert found.get("cleanup_jobs").unless_active
    assert chosen(loaded(), DistributorSettings(api_url="x", keep_jobs=None)).names() == []
    write("own.py", OWN.replace("@distribution(", "@distribution('cleanup_jobs', ").format(name="cleanup"))
    assert chosen(loaded("own.py"), SETTINGS).get("cleanup_jobs").source == "own.cleanup"


def test_some_are_chosen(caplog):
    write("mine.py", OWN.format(name="a") + OWN.format(name="b"))

    def names(**options):
        return chosen(loaded("mine.py"), DistributorSettings(api_url="x", **options)).names()

    assert names(only=("a",)) == ["a"]
    assert names(exclude=("cleanup_jobs", "b")) == ["a"]
    assert names(only=("a", "b"), exclude=("b",)) == ["a"]
    with pytest.raises(Invalid, match=r"no distribution c; there are a, b, cleanup_jobs"):
        names(only=("c",))
    write("bad.py", "1 / 0")
    with pytest.raises(Invalid, match=r"no distribution c; there are cleanup_jobs; \S*bad\.py does not load: ZeroDiv"):
        chosen(loaded("bad.py"), DistributorSettings(api_url="x", only=("c",)))
    with caplog.at_level(logging.WARNING):
        assert names(exclude=("x",), intervals=(("y", 3.0),)) == ["a", "b", "cleanup_jobs"]
    assert caplog.messages == [
        "there is no distribution x to leave out",
        "there is no distribution y to give an interval",
    ]
    caplog.clear()
    nothing = DistributorSettings(api_url="x", keep_jobs=None, exclude=("x",), intervals=(("y", 3.0),))
    assert chosen(loaded(), nothing).names() == []
    assert len(caplog.messages) == 2
